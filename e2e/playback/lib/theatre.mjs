// A browser with a stage: a page that plays and tells what it saw and heard.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { browser as executablePath, here, modules } from './places.mjs';
import { outputs } from './product.mjs';
import { sources } from './clips.mjs';
import { serve } from './server.mjs';

// Modules are looked for beside a file only, and ours lie elsewhere.
const { chromium } = createRequire(join(modules, 'node_modules/'))('playwright-core');

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
];

/** How often a test is performed before it has failed. */
const performances = 3;

/** The theatre for one file of tests, with a stage for each test. */
export async function theatre() {
  const server = await serve({
    media: outputs, sources,
    stage: join(here, 'stage'), signal: join(here, 'signal'), modules: join(modules, 'node_modules'),
  });
  const browser = await chromium.launch({ executablePath, args: flags });
  return {
    /**
     * Gives a stage of its own to a test, and another one when it fails: on a busy machine a browser is late
     * now and then, and what is wrong with the media is wrong every time.
     */
    async stage(perform) {
      for (let left = performances - 1; ; left -= 1) {
        const page = await browser.newPage();
        try {
          return await onPage(page, server.url, perform);
        } catch (error) {
          if (left === 0) throw error;
          console.error(`# once more, because ${error.message.split('\n')[0]}`);
        } finally {
          await page.close();
        }
      }
    },
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

async function onPage(page, url, perform) {
  const troubles = [];
  page.on('pageerror', error => troubles.push(`the page: ${error}`));
  page.on('response', answer => {
    if (answer.status() >= 400) troubles.push(`${answer.url()} answers ${answer.status()}`);
  });
  await page.goto(`${url}/stage/stage.html`);
  await perform(stageOn(page, url, troubles));
}

function stageOn(page, url, troubles) {
  // Whatever fails is told with what was odd before.
  const ask = (verb, ...words) =>
    page.evaluate(([verb, words]) => window.stage[verb](...words), [verb, words]).catch(async error => {
      throw Error(`${verb}(${words.join(', ')}) failed: ${error.message.split('\n')[0]}; before: ${JSON.stringify(await all())}`);
    });
  const all = async () => [...troubles, ...(await page.evaluate(() => window.stage.troubles()))];
  return {
    open: (player, paths) => ask('open', player, paths.map(path => `${url}/${path}`)),
    playToEnd: rate => ask('playToEnd', rate),
    picture: due => ask('picture', due),
    seek: (time, due) => ask('seek', time, due),
    choose: (rung, width, enough) => ask('choose', rung, width, enough),
    perform: (from, to) => ask('perform', from, to),
    speak: language => ask('speak', language),
    captions: (channel, time) => ask('captions', channel, time),
    troubles: all,
  };
}
