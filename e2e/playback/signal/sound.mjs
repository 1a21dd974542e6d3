// What the test clips sound like, and the ear that hears it: a quiet tone, and with each flash a loud
// beep whose pitch tells the languages apart.

import { beepLength, durationOf, flashes, sampleRate, timeOf } from './clip.mjs';

/** One track: mono, 16 bits. */
export function samples(clip, pitch) {
  const sound = new Int16Array(Math.round(durationOf(clip) * sampleRate));
  const tone = (frequency, n) => Math.sin((2 * Math.PI * frequency * n) / sampleRate);
  for (let n = 0; n < sound.length; n++) sound[n] = 300 * tone(220, n);
  for (const number of flashes(clip)) {
    const first = Math.round(timeOf(clip, number) * sampleRate);
    for (let n = 0; n < beepLength * sampleRate; n++) sound[first + n] = 20000 * tone(pitch, n);
  }
  return sound;
}

// A beep is above; the tone, and what a codec smears before a beep, are below.
const loud = 0.25;
const quietBefore = 0.05 * sampleRate;
const listensFor = 0.05 * sampleRate;
const pause = 0.005 * sampleRate;

/** Hears beeps in samples that it is given one by one. */
export class Ear {
  #lastLoud = -Infinity;
  #lastSample = 0;
  #beep = null;

  /**
   * @param {number} at the sample's place, in samples
   * @returns {{at: number, pitch: number} | undefined} where a beep began; told when its pitch is known
   */
  hear(at, sample) {
    const wave = this.#lastSample <= 0 && sample > 0;
    this.#lastSample = sample;
    if (this.#beep) {
      if (wave) this.#beep.waves++;
      // Torn by a machine that is too busy to go on playing.
      if (at - this.#lastLoud > pause) this.#beep = null;
    } else if (Math.abs(sample) > loud && at - this.#lastLoud > quietBefore) {
      this.#beep = { at, waves: 0 };
    }
    if (Math.abs(sample) > loud) this.#lastLoud = at;
    if (!this.#beep || at - this.#beep.at < listensFor) return undefined;
    const beep = { at: this.#beep.at, pitch: (this.#beep.waves * sampleRate) / listensFor };
    this.#beep = null;
    return beep;
  }
}
