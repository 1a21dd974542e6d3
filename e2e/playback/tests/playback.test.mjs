// A whole film in each player.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { durationIsRight, inStep, noTrouble, picturesAreRight } from '../lib/judge.mjs';
import { players, productions } from '../lib/productions.mjs';
import { widths } from '../lib/product.mjs';
import { measure } from '../lib/step.mjs';
import { theatre } from '../lib/theatre.mjs';
import { dueAt, durationOf } from '../signal/clip.mjs';

const name = 'plain';
const { clip, ladder } = productions[name];
const duration = durationOf(clip);
const rungs = ladder.map(rung => widths[rung]);
// Four times as fast: nothing of the timeline depends on the rate, and the machine can leave out pictures.
const fast = 4;
// Segments last 2 s, and the second task begins with the segment at 14 s. Pictures last 40 ms; beside a
// boundary it is the middle of one, as a player may round to a millisecond. None is just before what is loaded
// already: Chromium would begin there, up to two pictures later, before the player has loaded what is missing.
const positions = [duration / 2, 5.98, 6.02, 6, 13.98, 14.02, 14, 0.02, 7.333, duration - 0.02];
// Pictures that have to be seen in a rung before it counts, and the way through the rungs.
const enough = 10;
const way = [2, 0, 1];

describe('a film', () => {
  let house;
  before(async () => { house = await theatre(); });
  after(() => house.close());

  for (const { player, module, paths } of players(name, ladder)) {
    describe(player, () => {
      const open = stage => stage.open(module, paths.map(path => `media/${name}/${path}`));

      it('plays from start to end', () => house.stage(async stage => {
        const facts = await open(stage);
        if (facts.rungs) assert.deepEqual(facts.rungs, rungs, 'rungs of the player');
        const first = await stage.picture(0);
        const seen = await stage.playToEnd(fast);
        noTrouble(await stage.troubles());
        const last = await stage.picture(clip.pictures - 1);
        picturesAreRight(clip, [first, ...seen.pictures, last]);
        assert.equal(last.number, clip.pictures - 1, 'the last picture');
        for (const told of [facts.duration, seen.duration, seen.time]) durationIsRight(clip, told, duration);
      }));

      it('shows the right picture wherever it seeks', () => house.stage(async stage => {
        await open(stage);
        for (const position of positions) {
          const due = dueAt(clip, position);
          const picture = await stage.seek(position, due);
          assert.equal(picture.number, due, `the picture at ${position} s`);
          picturesAreRight(clip, [picture]);
        }
        noTrouble(await stage.troubles());
      }));

      it('switches rungs', () => house.stage(async stage => {
        await open(stage);
        for (const rung of way) {
          const pictures = await stage.choose(rung, rungs[rung], enough);
          picturesAreRight(clip, pictures);
        }
        noTrouble(await stage.troubles());
      }));

      it('flashes and beeps together', t => house.stage(async stage => {
        const stretches = [[0, 2.6], [12.4, 15]];
        for (const seen of await measure(stage, clip, () => open(stage), stretches)) {
          picturesAreRight(clip, seen.pictures);
          t.diagnostic(`${player}: the beep comes ${inStep(seen.offsets, 2)} after the flash`);
        }
        noTrouble(await stage.troubles());
      }));
    });
  }
});
