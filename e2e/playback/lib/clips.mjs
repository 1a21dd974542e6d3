// The clips of this tier, and how they are made: node paints and ffmpeg encodes.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { here, work } from './places.mjs';
import { run } from './run.mjs';
import { dueAt, isFlash, sampleRate, timeOf } from '../signal/clip.mjs';
import { paint } from '../signal/picture.mjs';
import { samples } from '../signal/sound.mjs';

const width = 640;
const height = 360;
const english = { language: 'eng', pitch: 1000 };
const german = { language: 'deu', pitch: 2000 };

/** Folder of the clips. */
export const sources = join(work, 'sources');

/** @type {Record<string, import('../signal/clip.mjs').Clip>} */
const described = {
  plain: { rate: [25, 1], pictures: 600, sound: [english] },
  ntsc: { rate: [30000, 1001], pictures: 300, sound: [english] },
  // 25 pictures a second, then 5, then every other one.
  variable: {
    rate: [25, 1], pictures: 300, sound: [english],
    kept: number => (number < 100 ? true : number < 200 ? number % 5 === 0 : number % 2 === 1),
  },
  captions: { rate: [30000, 1001], pictures: 300, sound: [english], captions: true },
  // Tracks of unequal length.
  quiet: { rate: [25, 1], pictures: 400, sound: [english], heard: 3 },
  late: { rate: [25, 1], pictures: 300, sound: [english], unseen: 48 },
  still: { rate: [25, 1], pictures: 400, sound: [english], seen: 80 },
  languages: { rate: [25, 1], pictures: 300, sound: [english, german] },
};

/** All of them, each with the file that it is in. */
export const clips = Object.fromEntries(
  Object.entries(described).map(([name, clip]) => [name, { name, ...clip, file: join(sources, `${name}.mp4`) }]),
);

/** Whether its picture and its sound last equally long. The table of sources proves what becomes of others frame by frame. */
export const isEven = clip => !clip.heard && !clip.seen && !clip.unseen;

/** Makes a clip, H.264 with B-frames and AAC. */
export async function make(clip) {
  const tracks = await Promise.all(clip.sound.map(async ({ pitch }, n) => {
    const path = `${clip.file}.${n}.s16`;
    await writeFile(path, samples(clip, pitch));
    return path;
  }));
  const ffmpeg = spawn('ffmpeg', [
    '-hide_banner', '-loglevel', 'error', '-y',
    '-f', 'rawvideo', '-pixel_format', 'gray', '-video_size', `${width}x${height}`, '-framerate', clip.rate.join('/'), '-i', 'pipe:0',
    ...tracks.flatMap(path => ['-f', 's16le', '-ar', sampleRate, '-ac', 1, ...(clip.heard ? ['-t', clip.heard] : []), '-i', path]),
    '-map', '0:v', ...tracks.flatMap((_, n) => ['-map', `${n + 1}:a`]),
    // A picture that isn't in the clip comes as a repeat of the one before: taken out, it leaves its time to that.
    ...(clip.kept ? ['-vf', 'mpdecimate', '-fps_mode', 'vfr'] : []),
    ...(clip.unseen ? ['-vf', `trim=start_frame=${clip.unseen}`, '-fps_mode', 'passthrough'] : []),
    '-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-preset', 'veryfast', '-crf', 18, '-g', 50, '-bf', clip.captions ? 0 : 2,
    '-c:a', 'aac', '-b:a', '128k', '-ac', 2,
    ...clip.sound.flatMap(({ language }, n) => [`-metadata:s:a:${n}`, `language=${language}`]),
    clip.file,
  ].map(String), { stdio: ['pipe', 'inherit', 'inherit'] });
  const ended = once(ffmpeg, 'close');
  // Where ffmpeg ends early, its exit code says more than the broken pipe.
  await pipeline(pictures(clip), ffmpeg.stdin).catch(() => {});
  const [code] = await ended;
  if (code !== 0) throw Error(`ffmpeg ended with ${code} when it made ${clip.file}`);
  if (clip.captions) await caption(clip);
}

/** Puts captions into the pictures. */
async function caption({ file, rate }) {
  const [plain, raw, captioned] = ['plain.mp4', 'h264', 'captioned.h264'].map(ending => `${file}.${ending}`);
  const ffmpeg = words => run('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', ...words]);
  await rename(file, plain);
  await ffmpeg(['-i', plain, '-map', '0:v', '-c', 'copy', '-bsf:v', 'h264_mp4toannexb', '-f', 'h264', raw]);
  await run('python3', [join(here, '../tools/captions.py'), raw, captioned, '--rate', rate.join('/')]);
  await ffmpeg(['-f', 'h264', '-framerate', rate.join('/'), '-i', captioned, '-i', plain, '-map', '0:v', '-map', '1:a', '-c', 'copy', file]);
}

function* pictures(clip) {
  for (let number = 0; number < (clip.seen ?? clip.pictures); number++) {
    const shown = dueAt(clip, timeOf(clip, number));
    yield paint(shown, width, height, isFlash(clip, shown));
  }
}
