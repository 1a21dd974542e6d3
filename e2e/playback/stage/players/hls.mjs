// hls.js

import Hls from '/modules/hls.js/dist/hls.min.mjs';
import { until } from '../wait.mjs';

export async function open(video, [url], trouble) {
  const hls = new Hls();
  hls.on(Hls.Events.ERROR, (_, { details, fatal, error, buffer, frag }) => {
    // It also tells of what it gives up loading at a seek, and of a picture that stands still with enough in
    // the buffer: the machine is busy.
    const busy = details === Hls.ErrorDetails.BUFFER_STALLED_ERROR && buffer > 0.5;
    if (!fatal && (busy || details === Hls.ErrorDetails.INTERNAL_ABORTED)) return;
    trouble(`hls.js tells of ${details}: ${error.message}${frag ? ` (${frag.relurl})` : ''}`);
  });
  const parsed = until('the playlist', done => hls.once(Hls.Events.MANIFEST_PARSED, done));
  hls.loadSource(url);
  hls.attachMedia(video);
  await parsed;
  const levels = hls.levels.toSorted((a, b) => b.width - a.width);
  return {
    rungs: levels.map(level => level.width),
    choose(rung) {
      hls.nextLevel = hls.levels.indexOf(levels[rung]);
    },
    languages: hls.audioTracks.map(track => track.lang),
    speak(language) {
      hls.audioTrack = hls.audioTracks.findIndex(track => track.lang === language);
    },
    close: () => hls.destroy(),
  };
}
