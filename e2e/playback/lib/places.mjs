// Where things are; run.sh says so.

import { fileURLToPath } from 'node:url';

const told = name => {
  const value = process.env[name];
  if (!value) throw Error(`${name} isn't set: start the tests by e2e/playback/run.sh`);
  return value;
};

/** Folder with node_modules. */
export const modules = told('PLAYBACK_MODULES');
/** Folder that this run may fill; gone afterwards. */
export const work = told('PLAYBACK_WORK');
/** Folder with kubectl-transcode and job-runner. */
export const programs = told('TRANSCODE_BIN_DIR');
/** Chromium's program. */
export const browser = told('PLAYBACK_BROWSER');
/** This tier. */
export const here = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
