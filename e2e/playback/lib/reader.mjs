// Reads a stream as ffmpeg and ffplay do: decoded pictures and samples, with the times of their frames.

import { columns, read, rows } from '../signal/picture.mjs';
import { sampleRate } from '../signal/clip.mjs';
import { Ear } from '../signal/sound.mjs';
import { run } from './run.mjs';

const scale = 10;
const [width, height] = [columns * scale, rows * scale];

/** Times of the frames of a `framecrc` listing, seconds, by stream. */
function times(listing) {
  const bases = [];
  const found = [];
  for (const line of listing.toString().split('\n')) {
    const base = /^#tb (\d+): (\d+)\/(\d+)/.exec(line);
    if (base) {
      bases[base[1]] = base[2] / base[3];
      found[base[1]] = [];
    } else if (/^\d/.test(line)) {
      const [stream, , pts, , bytes] = line.split(',').map(Number);
      found[stream].push({ time: pts * bases[stream], bytes });
    }
  }
  return found;
}

/**
 * @param {string} video the video stream in ffmpeg's words, such as `v:0`
 * @returns {Promise<{pictures: object[], beeps: object[]}>}
 */
export async function decode(url, video, audio = 'a:0') {
  const picture = ['-map', `0:${video}`, '-fps_mode', 'passthrough', '-enc_time_base', '-1', '-vf', `scale=${width}:${height},format=gray`, '-c:v', 'rawvideo'];
  const sound = ['-map', `0:${audio}`, '-ac', 1, '-ar', sampleRate, '-c:a', 'pcm_s16le'];
  const [pixels, samples, listing] = await run('ffmpeg', [
    '-v', 'error', '-copyts', '-i', url,
    ...picture, '-f', 'rawvideo', 'pipe:3',
    ...sound, '-f', 's16le', 'pipe:4',
    ...picture, ...sound, '-f', 'framecrc', 'pipe:5',
  ], { outputs: 3 });
  const [shown, heard] = times(listing);
  return { pictures: pictures(pixels, shown), beeps: beeps(samples, heard) };
}

const pictures = (pixels, frames) => frames.map(({ time }, n) => {
  const grey = (x, y) => pixels[n * width * height + Math.floor(y * height) * width + Math.floor(x * width)];
  return { ...read(grey), time };
});

function beeps(samples, frames) {
  const ear = new Ear();
  const found = [];
  let byte = 0;
  for (const { time, bytes } of frames) {
    const first = Math.round(time * sampleRate);
    for (let n = 0; n < bytes; n += 2) {
      const beep = ear.hear(first + n / 2, samples.readInt16LE(byte + n) / 32768);
      if (beep) found.push({ time: beep.at / sampleRate, pitch: beep.pitch });
    }
    byte += bytes;
  }
  return found;
}
