// Measures in a browser whether flash and beep are together.
//
// A listener's clock has a way to the loudspeaker inside that differs from session to session (see
// stage/listener.mjs). So a clip that is in step, as the reader has proved on its decoded samples, is played by
// the browser itself before and after: what it seems to be off is the instrument's, and is taken away.
// When the two differ the instrument moved meanwhile, and the measurement is made again.

import { clips } from './clips.mjs';
import { median, offsets } from './judge.mjs';

const ruler = clips.plain;
// Three flashes.
const stretch = [0.2, 2.6];
// A reading is as good as a few of the browser's audio blocks of 3 ms; the tolerance is 20.
const steady = 0.006;
const attempts = 4;

async function zero(stage) {
  await stage.open('native', ['sources/plain.mp4']);
  return median(offsets(ruler, await stage.perform(...stretch)));
}

/**
 * How much later than its flash each beep is, seconds, for each stretch of a stream.
 * @param {() => Promise<unknown>} open puts the stream into its player
 */
export async function measure(stage, clip, open, stretches) {
  const zeros = [await zero(stage)];
  while (zeros.length <= attempts) {
    await open();
    const seen = [];
    for (const [from, to] of stretches) seen.push(await stage.perform(from, to));
    zeros.push(await zero(stage));
    const [before, after] = zeros.slice(-2);
    if (Math.abs(before - after) < steady) {
      return seen.map(stretch => ({ ...stretch, offsets: offsets(clip, stretch).map(offset => offset - (before + after) / 2) }));
    }
  }
  throw Error(`the instrument doesn't hold still: a clip in step is measured as ${zeros.join(', ')} s`);
}
