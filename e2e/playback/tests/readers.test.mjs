// What was published, as ffmpeg and ffplay read it.

import { after, before, describe, it } from 'node:test';
import { isEven } from '../lib/clips.mjs';
import { inStep, offsets, picturesAreComplete } from '../lib/judge.mjs';
import { outputs } from '../lib/product.mjs';
import { mp4s, productions } from '../lib/productions.mjs';
import { decode } from '../lib/reader.mjs';
import { serve } from '../lib/server.mjs';
import { flashes } from '../signal/clip.mjs';

/** Every rung, by the path of its file and its video stream there. */
const streams = (name, ladder) => [
  ...['master.m3u8', 'manifest.mpd'].flatMap(path => ladder.map((rung, n) => ({ path, rung, video: `v:${n}` }))),
  ...mp4s(name, ladder).map((path, n) => ({ path, rung: ladder[n], video: 'v:0' })),
];

describe('ffmpeg', () => {
  let server;
  before(async () => { server = await serve({ media: outputs }); });
  after(() => server.close());

  const even = Object.entries(productions).filter(([, { clip, ladder }]) => ladder.length && isEven(clip));
  for (const [name, { clip, ladder }] of even) {
    for (const { path, rung, video } of streams(name, ladder)) {
      it(`reads ${name}/${path}, ${rung}: every picture, flash and beep together`, async t => {
        const seen = await decode(`${server.url}/media/${name}/${path}`, video);
        picturesAreComplete(clip, seen.pictures);
        t.diagnostic(`ffmpeg, ${name}/${path}, ${rung}: the beep comes ${inStep(offsets(clip, seen), flashes(clip).length)} after the flash`);
      });
    }
  }
});
