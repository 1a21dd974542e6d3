// Runs in the browser's audio thread and tells the page of each beep, in seconds of the audio context.

import { Ear } from '/signal/sound.mjs';

registerProcessor('ear', class extends AudioWorkletProcessor {
  #ear = new Ear();

  process([[samples]]) {
    // No channel while nothing plays.
    for (const [n, sample] of samples?.entries() ?? []) {
      const beep = this.#ear.hear(currentFrame + n, sample);
      if (beep) this.port.postMessage({ at: beep.at / sampleRate, pitch: beep.pitch });
    }
    return true;
  }
});
