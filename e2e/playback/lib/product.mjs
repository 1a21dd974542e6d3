// Has the product transcode a clip, as a user does.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programs, work } from './places.mjs';
import { run } from './run.mjs';

/** Rungs of the ladder, top rung first. */
const rungs = {
  '360p': {},
  '270p': { box: { width: 480, height: 270 } },
  '180p': { box: { width: 320, height: 180 } },
};

/** Widths of rungs, as a player that shows them has to tell. */
export const widths = { '360p': 640, '270p': 480, '180p': 320 };

/** Folder below which every output is. */
export const outputs = join(work, 'published');

const usual = { video: { h264: { preset: 'superfast' } }, audio: { aac: {} } };

/**
 * Runs a job over a file.
 * @param {string[]} ladder names of rungs
 * @param {typeof usual} encode codecs
 */
export async function publish(name, source, ladder, encode = usual) {
  const job = {
    apiVersion: 'transcode.media/v1alpha1',
    kind: 'TranscodeJob',
    metadata: { name },
    spec: {
      inputs: [{ name: 'main', file: { path: source } }],
      outputs: [{ name: 'main', file: { path: join(outputs, name) }, formats: ['hls', 'dash', 'mp4'] }],
      options: {
        // Short segments, and tasks for both halves of the clip: many joins in little time.
        video: { segmentDuration: '2s', fanOut: 'ChunkRendition', encode: encode.video },
        audio: { encode: encode.audio },
        renditions: ladder.map(name => ({ name, ...rungs[name] })),
      },
    },
  };
  const file = join(work, `${name}.yaml`);
  // JSON is YAML.
  await writeFile(file, JSON.stringify(job));
  await run(join(programs, 'kubectl-transcode'), [
    'run', '-f', file, '--runner', join(programs, 'job-runner'), '--work-dir', join(work, 'state'),
  ]);
}
