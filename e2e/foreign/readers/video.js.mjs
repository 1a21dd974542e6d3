// m3u8-parser, with which video.js reads playlists: its warnings are findings.

import { load, report } from './report.mjs';

const { Parser } = load('m3u8-parser');
report((content, findings) => {
  const parser = new Parser();
  parser.on('warn', ({ message }) => findings.push(message));
  parser.push(content.toString());
  parser.end();
});
