// Judges what was seen and heard against the clip on paper. Each judgement throws with what was expected and
// what came.

import assert from 'node:assert/strict';
import { dueAt, flashes, isFlash, isKept, pictureLength, timeOf } from '../signal/clip.mjs';

// A player counts in microseconds, a file in ticks of its own.
const rounding = 0.001;

/** How far a flash and its beep may be apart, seconds. */
export const tolerance = 0.02;

const ms = seconds => `${(seconds * 1000).toFixed(1)} ms`;
const shown = ({ number, time }) => `${number ?? 'no picture of the clip'} at ${time.toFixed(3)} s`;

/** Each picture is the one that is due at its time, and time never runs back. */
export function picturesAreRight(clip, pictures) {
  let before = { time: 0 };
  for (const picture of pictures) {
    const due = dueAt(clip, picture.time);
    assert.equal(picture.number, due, `picture ${due} is due, and to be seen is ${shown(picture)}`);
    assert.ok(Math.abs(picture.time - timeOf(clip, due)) < rounding, `picture ${due} is due at ${timeOf(clip, due).toFixed(3)} s, and comes as ${shown(picture)}`);
    assert.equal(picture.flash, isFlash(clip, due), `picture ${shown(picture)} ${picture.flash ? 'flashes' : "doesn't flash"}`);
    assert.ok(picture.time >= before.time, `after picture ${shown(before)} comes ${shown(picture)}`);
    before = picture;
  }
}

/** Every picture of the clip is there, once. */
export function picturesAreComplete(clip, pictures) {
  picturesAreRight(clip, pictures);
  const due = Array.from({ length: clip.pictures }, (_, n) => n).filter(n => isKept(clip, n));
  assert.deepEqual(pictures.map(picture => picture.number), due, 'pictures are missing, or come twice');
}

/** As long as the clip, within a picture. */
export function durationIsRight(clip, duration, expected) {
  const off = Math.abs(duration - expected);
  assert.ok(off <= pictureLength(clip) + rounding, `lasts ${duration} s, and the clip ${expected} s`);
}

/** When the flashes were to be seen, each told by any of its pictures: a busy machine leaves some out. */
function seenFlashes(clip, pictures) {
  const firsts = flashes(clip);
  const seen = new Map();
  for (const { number, time, flash } of pictures) {
    if (!flash || number === null) continue;
    const first = firsts.findLast(first => first <= number);
    if (!seen.has(first)) seen.set(first, time - timeOf(clip, number - first));
  }
  return [...seen.values()];
}

// Below half of the shortest step from flash to flash.
const farthest = 0.35;

/** How much later than its flash each beep is, seconds. Beeps without a flash don't count. */
export function offsets(clip, { pictures, beeps }) {
  const times = seenFlashes(clip, pictures);
  return beeps.flatMap(({ time }) => {
    const nearest = times.toSorted((a, b) => Math.abs(a - time) - Math.abs(b - time))[0];
    return nearest !== undefined && Math.abs(nearest - time) < farthest ? [time - nearest] : [];
  });
}

export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** Flash and beep are together. `least` is how many pairs there have to be. */
export function inStep(found, least) {
  assert.ok(found.length >= least, `only ${found.length} beeps have a flash, of at least ${least}`);
  const offset = median(found);
  assert.ok(Math.abs(offset) <= tolerance, `a beep comes ${ms(offset)} after its flash (at most ${ms(tolerance)} either way; all: ${found.map(ms).join(', ')})`);
  return ms(offset);
}

export function noTrouble(troubles) {
  assert.deepEqual(troubles, [], 'there was trouble');
}
