// The instruments of this tier: each shows what is there, and fails where something is wrong.

import assert from 'node:assert/strict';
import { cp, readFile, writeFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { clips, isEven, sources } from '../lib/clips.mjs';
import { inStep, median, noTrouble, offsets, picturesAreComplete, picturesAreRight } from '../lib/judge.mjs';
import { outputs } from '../lib/product.mjs';
import { decode } from '../lib/reader.mjs';
import { run } from '../lib/run.mjs';
import { measure } from '../lib/step.mjs';
import { theatre } from '../lib/theatre.mjs';
import { flashes, isFlash, isKept, sampleRate, timeOf } from '../signal/clip.mjs';
import { columns, paint, read, rows } from '../signal/picture.mjs';
import { Ear, samples } from '../signal/sound.mjs';

const near = (seen, expected, within) => assert.ok(Math.abs(seen - expected) <= within, `${seen} s, not ${expected} s`);

describe('pictures', () => {
  it('are read as they were painted', () => {
    for (const number of [0, 1, 599, 2048, 4095]) {
      for (const flash of [false, true]) {
        const pixels = paint(number, 160, 90, flash);
        const seen = read((x, y) => pixels[Math.floor(y * 90) * 160 + Math.floor(x * 160)]);
        assert.deepEqual(seen, { number, flash });
      }
    }
  });

  it('are not read where there is no code', () => {
    for (const grey of [0, 96, 255]) assert.equal(read(() => grey).number, null);
  });

  const all = clip => Array.from({ length: clip.pictures }, (_, number) => ({ number, time: timeOf(clip, number), flash: isFlash(clip, number) }));

  it('are refused when one is wrong, missing, or too early', () => {
    const clip = clips.plain;
    picturesAreComplete(clip, all(clip));
    assert.throws(() => picturesAreRight(clip, all(clip).with(300, { ...all(clip)[300], number: 299 })), /picture 300 is due, and to be seen is 299/);
    assert.throws(() => picturesAreComplete(clip, all(clip).toSpliced(300, 1)), /missing/);
    assert.throws(() => picturesAreRight(clip, [all(clip)[7], all(clip)[6]]), /after picture 7/);
  });

  it('are all there in a flash, and none of the flashes begins where a segment does', () => {
    for (const clip of Object.values(clips)) {
      for (const first of flashes(clip)) {
        assert.ok(isKept(clip, first) && isFlash(clip, first) && !isFlash(clip, first - 1));
        assert.notEqual(timeOf(clip, first) % 2, 0);
      }
    }
  });
});

describe('sound', () => {
  it('is heard to the sample, and its pitch', () => {
    const ear = new Ear();
    const heard = Array.from(samples(clips.plain, 2000), (sample, n) => ear.hear(n, sample / 32768)).filter(Boolean);
    assert.equal(heard.length, flashes(clips.plain).length);
    for (const [n, beep] of heard.entries()) {
      near(beep.at / sampleRate, timeOf(clips.plain, flashes(clips.plain)[n]), 0.0002);
      assert.equal(beep.pitch, 2000);
    }
  });
});

describe('a clip', () => {
  // Sound that is late by a picture.
  const late = join(sources, 'late.mp4');
  before(() => run('ffmpeg', ['-v', 'error', '-y', '-i', clips.plain.file, '-itsoffset', '0.04', '-i', clips.plain.file, '-map', '0:v', '-map', '1:a', '-c', 'copy', late]));

  for (const clip of Object.values(clips).filter(isEven)) {
    it(`that the tests made is in step and complete: ${clip.name}`, async () => {
      for (const track of clip.sound.keys()) {
        const seen = await decode(clip.file, 'v:0', `a:${track}`);
        picturesAreComplete(clip, seen.pictures);
        near(median(offsets(clip, seen)), 0, 0.001);
      }
    });
  }

  it('whose sound is 40 ms late is measured so by the reader', async () => {
    const found = offsets(clips.plain, await decode(late, 'v:0'));
    near(median(found), 0.04, 0.001);
    assert.throws(() => inStep(found, 1), / ms after its flash/);
  });

  describe('in the browser', () => {
    let house;
    before(async () => { house = await theatre(); });
    after(() => house.close());

    it('whose sound is 40 ms late is measured so', () => house.stage(async stage => {
      const open = () => stage.open('native', ['sources/late.mp4']);
      const [seen] = await measure(stage, clips.plain, open, [[6.2, 9.2]]);
      near(median(seen.offsets), 0.04, 0.006);
      assert.throws(() => inStep(seen.offsets, 1), /after its flash/);
    }));

    it('with a hole is trouble', async () => {
      // A segment that the playlists leave out.
      const holed = join(outputs, 'holed');
      await cp(join(outputs, 'plain'), holed, { recursive: true });
      for (const name of await readdir(holed, { recursive: true })) {
        if (name.endsWith('360p/playlist.m3u8')) await edit(join(holed, name), /#EXTINF:[^\n]*\n[^\n]*000004.m4s\n/);
      }
      await house.stage(async stage => {
        await stage.open('hls', ['media/holed/master.m3u8']);
        await stage.playToEnd(4);
        assert.notDeepEqual(await stage.troubles(), []);
      });
    });
  });
});

/** Takes something out of a text, which has to be there. */
async function edit(file, what) {
  const text = await readFile(file, 'utf8');
  assert.match(text, what);
  await writeFile(file, text.replace(what, ''));
}
