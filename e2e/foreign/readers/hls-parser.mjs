// hls-parser in strict mode: the rules of RFC 8216 are errors.

import { load, report } from './report.mjs';

const HLS = load('hls-parser');
HLS.setOptions({ strictMode: true });
report(content => {
  HLS.parse(content.toString());
});
