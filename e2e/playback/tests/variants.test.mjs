// Other things that people publish, played in each player: shorter than the film, as the film shows the rest.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { durationIsRight, noTrouble, picturesAreRight } from '../lib/judge.mjs';
import { players, productions } from '../lib/productions.mjs';
import { theatre } from '../lib/theatre.mjs';
import { dueAt, durationOf, pictureLength, timeOf } from '../signal/clip.mjs';

const fast = 4;

let house;
before(async () => { house = await theatre(); });
after(() => house.close());

/** Tests of one production, for each player. */
function eachPlayer(name, test) {
  const { clip, ladder } = productions[name];
  for (const { player, module, paths } of players(name, ladder)) {
    test({ player, clip, module, open: stage => stage.open(module, paths.map(path => `media/${name}/${path}`)) });
  }
}

const titles = {
  ntsc: '30000/1001 pictures a second',
  variable: 'a rate that varies',
  av1: 'AV1 and Opus',
  vp9: 'VP9 and FLAC',
};
for (const [name, title] of Object.entries(titles)) {
  describe(title, () => {
    eachPlayer(name, ({ player, clip, open }) => {
      it(`plays in ${player}`, () => house.stage(async stage => {
        const { duration } = await open(stage);
        const first = await stage.picture(0);
        const seen = await stage.playToEnd(fast);
        noTrouble(await stage.troubles());
        const final = dueAt(clip, durationOf(clip));
        const last = await stage.picture(final);
        picturesAreRight(clip, [first, ...seen.pictures, last]);
        assert.equal(last.number, final, 'the last picture');
        for (const told of [duration, seen.duration, seen.time]) durationIsRight(clip, told, durationOf(clip));
        const middle = dueAt(clip, durationOf(clip) / 2);
        picturesAreRight(clip, [await stage.seek(timeOf(clip, middle + 0.5), middle)]);
      }));
    });
  });
}

for (const [name, title] of [['quiet', 'sound that ends early'], ['late', 'pictures that begin late'], ['still', 'pictures that end early']]) {
  describe(title, () => {
    eachPlayer(name, ({ player, clip, open }) => {
      it(`plays to the end in ${player}`, () => house.stage(async stage => {
        const { duration } = await open(stage);
        const seen = await stage.playToEnd(fast);
        noTrouble(await stage.troubles());
        const [begin, final] = [clip.unseen ?? 0, (clip.seen ?? clip.pictures) - 1];
        // The first one and the last one are shown again and again at times of their own.
        const again = ({ number, time }) => (number === begin && time < timeOf(clip, begin)) || (number === final && clip.seen);
        picturesAreRight(clip, seen.pictures.filter(picture => !again(picture)));
        for (const told of [duration, seen.duration, seen.time]) durationIsRight(clip, told, durationOf(clip));
        for (const at of [0.5, durationOf(clip) - 1.01, durationOf(clip) - 0.02]) {
          const due = Math.min(Math.max(dueAt(clip, at), begin), final);
          assert.equal((await stage.seek(at, due)).number, due, `the picture at ${at} s`);
        }
        noTrouble(await stage.troubles());
      }));
    });
  });
}

describe('two languages', () => {
  // A progressive MP4 has both, and Chromium alone has no way to choose.
  eachPlayer('languages', ({ player, clip, module, open }) => module !== 'native' && it(`are listed and switched in ${player}`, () => house.stage(async stage => {
    const { languages } = await open(stage);
    assert.deepEqual(languages.toSorted(), ['de', 'en']);
    const pitches = ({ beeps }, from) => [...new Set(beeps.filter(beep => beep.time > from).map(beep => beep.pitch))];
    const [english, german] = clip.sound.map(({ pitch }) => [pitch]);
    assert.deepEqual(pitches(await stage.perform(0, 2.6), 0), english, 'the pitch of the first language');
    await stage.speak('de');
    // A player may first use up what it has of the other language near the playhead.
    assert.deepEqual(pitches(await stage.perform(null, 6.4), 4), german, 'the pitch of the second language');
    noTrouble(await stage.troubles());
  })));
});

describe('captions inside pictures', () => {
  // A progressive MP4 has them too, and Chromium alone does not look for them.
  eachPlayer('captions', ({ player, clip, module, open }) => module !== 'native' && it(`are read by ${player}`, () => house.stage(async stage => {
    await open(stage);
    const cues = await stage.captions('CC1', durationOf(clip) - 0.5);
    noTrouble(await stage.troubles());
    for (const second of [3, 6]) {
      // Shaka Player adds tags for the looks.
      const cue = cues.find(({ text }) => text.replace(/<[^>]*>/g, '').trim() === `AT ${second}`);
      assert.ok(cue, `the caption of second ${second} is missing: ${JSON.stringify(cues)}`);
      const due = timeOf(clip, Math.ceil(second / pictureLength(clip)));
      // hls.js and dash.js go by composition times and leave the edit list out: two frames.
      assert.ok(Math.abs(cue.start - due) < 0.1, `it comes at ${cue.start} s, and is due at ${due} s`);
    }
  })));
});

describe('sound alone', () => {
  eachPlayer('sound', ({ player, clip, open }) => {
    it(`plays in ${player}`, () => house.stage(async stage => {
      const { duration } = await open(stage);
      const { beeps } = await stage.perform(0, 2.6);
      assert.deepEqual(beeps.map(beep => beep.pitch), [1000, 1000, 1000], 'the beeps of the first seconds');
      const seen = await stage.playToEnd(fast);
      noTrouble(await stage.troubles());
      for (const told of [duration, seen.duration, seen.time]) durationIsRight(clip, told, durationOf(clip));
    }));
  });
});
