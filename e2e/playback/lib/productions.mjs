// What the product is asked to publish.

import { clips } from './clips.mjs';

/** By the job's name. */
export const productions = {
  plain: { clip: clips.plain, ladder: ['360p', '270p', '180p'] },
  ntsc: { clip: clips.ntsc, ladder: ['360p', '180p'] },
  variable: { clip: clips.variable, ladder: ['360p', '180p'] },
  captions: { clip: clips.captions, ladder: ['360p', '180p'] },
  quiet: { clip: clips.quiet, ladder: ['360p', '180p'] },
  late: { clip: clips.late, ladder: ['360p', '180p'] },
  still: { clip: clips.still, ladder: ['360p', '180p'] },
  languages: { clip: clips.languages, ladder: ['180p'] },
  av1: { clip: clips.ntsc, ladder: ['180p'], encode: { video: { av1: { preset: 12 } }, audio: { opus: {} } } },
  vp9: { clip: clips.ntsc, ladder: ['180p'], encode: { video: { vp9: { speed: 8, hls: true } }, audio: { flac: {} } } },
  sound: { clip: clips.ntsc, ladder: [] },
};

/**
 * How each player gets at a production.
 * @returns {{player: string, module: string, paths: string[]}[]} paths below the production's folder
 */
export const players = (name, ladder) => [
  { player: 'hls.js', module: 'hls', paths: ['master.m3u8'] },
  { player: 'Shaka Player (HLS)', module: 'shaka', paths: ['master.m3u8'] },
  { player: 'Shaka Player (DASH)', module: 'shaka', paths: ['manifest.mpd'] },
  { player: 'dash.js', module: 'dash', paths: ['manifest.mpd'] },
  { player: 'Chromium (MP4)', module: 'native', paths: mp4s(name, ladder) },
];

/** Progressive MP4s, top rung first. */
export const mp4s = (name, ladder) => (ladder.length ? ladder : ['audio']).map(rung => `${name}_${rung}.mp4`);
