// A test clip on paper: how many pictures it has and when, and when it flashes and beeps. The maker and
// the judges both read it here.

/** Samples a second of every track. */
export const sampleRate = 48000;

/** Length of a beep, seconds. A flash is all pictures within. */
export const beepLength = 0.12;

// From one flash to the next, in 25ths of a second. The steps differ, and a whole round of them, 4.68 s,
// has no multiple below two minutes that is a whole second too: sound that is late by a second, or by a
// whole segment, meets no other flash.
const firstFlash = 17;
const steps = [18, 23, 27, 20, 29];

/**
 * @typedef {object} Clip
 * @property {[number, number]} rate   pictures a second, as a fraction
 * @property {number} pictures         numbers there are, from 0
 * @property {(number: number) => boolean} [kept]  whether a picture is in the clip: some are not where the rate varies
 * @property {number} [unseen]  pictures that the file lacks at its start, where its sound is heard already
 * @property {number} [seen]  pictures that the file has, where its sound goes on
 * @property {number} [heard]  seconds of sound that the file has, where its pictures go on
 * @property {boolean} [captions]  whether its pictures have captions in them: e2e/tools/captions.py says which
 * @property {{language: string, pitch: number}[]} sound  audio tracks, and the pitch of their beeps
 */

/** When a picture is due, seconds. */
export const timeOf = (clip, number) => (number * clip.rate[1]) / clip.rate[0];

/** Length of one picture, seconds. */
export const pictureLength = clip => timeOf(clip, 1);

export const durationOf = clip => timeOf(clip, clip.pictures);

/** Whether a picture is in the clip. */
export const isKept = (clip, number) =>
  number >= 0 && number < clip.pictures && (clip.kept?.(number) || !clip.kept || isFlash(clip, number));

/** The picture that is to be seen at a time. */
export function dueAt(clip, time) {
  // A microsecond of rounding, as players count in those.
  let number = Math.min(Math.floor((time + 1e-6) / pictureLength(clip)), clip.pictures - 1);
  while (number > 0 && !isKept(clip, number)) number--;
  return number;
}

/** Numbers of the pictures that begin a flash. */
export function flashes(clip) {
  const numbers = [];
  for (let tick = firstFlash, n = 0; ; tick += steps[n++ % steps.length]) {
    const number = Math.round(tick / 25 / pictureLength(clip));
    if (timeOf(clip, number) + beepLength >= durationOf(clip)) return numbers;
    numbers.push(number);
  }
}

/** Whether a picture is part of a flash. */
export const isFlash = (clip, number) =>
  flashes(clip).some(first => number >= first && timeOf(clip, number - first) < beepLength - 1e-6);
