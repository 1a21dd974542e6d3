// Hears what a media element plays, and tells when in the element's own time, which is what its pictures
// are shown by.
//
// The samples of an audio context are counted, so a beep's place among them is exact. The element's
// time advances evenly beside that count; how far the two are apart is read often and the median taken:
// a single reading is as coarse as a block of audio. It is taken around each beep, for where the element had
// to wait for data the distance changes.
//
// Without a sound card the browser's estimate of the way to the loudspeaker is a number of its own in every
// session, up to 0.2 s, and the element's time has it inside. It is the same for all that one session plays:
// so the tests measure a clip that is known to be in step beside each measurement, and subtract.

import { sampleRate } from '/signal/clip.mjs';

// Readings that count for a beep, seconds before and after.
const around = 0.4;

const median = numbers => numbers.sort((a, b) => a - b)[numbers.length >> 1];

export class Listener {
  #video;
  #context = new AudioContext({ sampleRate });
  #beeps = [];
  #readings = [];

  /** An element can be listened to once in its life. */
  static async to(video) {
    const listener = new Listener();
    listener.#video = video;
    const context = listener.#context;
    await context.audioWorklet.addModule('/stage/ear-worklet.mjs');
    const ear = new AudioWorkletNode(context, 'ear');
    ear.port.onmessage = ({ data }) => listener.#beeps.push(data);
    context.createMediaElementSource(video).connect(ear).connect(context.destination);
    await context.resume();
    listener.#read();
    return listener;
  }

  #read() {
    if (!this.#video.paused && !this.#video.seeking) {
      this.#readings.push({ at: this.#context.currentTime, apart: this.#video.currentTime - this.#context.currentTime });
    }
    requestAnimationFrame(() => this.#read());
  }

  /** Beeps since the last call. */
  take() {
    const beeps = this.#beeps.splice(0).flatMap(({ at, pitch }) => {
      const near = this.#readings.filter(reading => Math.abs(reading.at - at) < around);
      return near.length ? [{ time: at + median(near.map(reading => reading.apart)), pitch }] : [];
    });
    this.#readings = [];
    return beeps;
  }
}
