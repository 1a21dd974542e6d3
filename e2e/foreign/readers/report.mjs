// What the scripts of this folder have in common: modules from the cache, and a line of JSON for each file.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** Loads a package of the folder that install.sh fills. */
export const load = createRequire(`${process.env.MODULES}/`);

/** Has every file of the command line read: `read` is given its content and a list for findings. */
export function report(read) {
  for (const file of process.argv.slice(2)) {
    const findings = [];
    let more = {};
    try {
      more = read(readFileSync(file), findings) ?? {};
    } catch (error) {
      findings.push(error.message);
    }
    console.log(JSON.stringify({ file, findings, ...more }));
  }
}
