// mp4box.js: every box, and how it understands each track.

import { load, report } from './report.mjs';

const { createFile, Log } = load('mp4box');
Log.setLogLevel(Log.warn);
report((content, findings) => {
  console.warn = (_time, module, message) => findings.push(`${module} ${message}`);
  console.error = console.warn;
  const file = createFile();
  let tracks;
  file.onError = (module, message) => findings.push(`${module} ${message}`);
  file.onReady = info => {
    tracks = info.tracks;
  };
  const buffer = content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
  buffer.fileStart = 0;
  file.appendBuffer(buffer);
  file.flush();
  if (!tracks) findings.push('it finds no moov');
  return {
    tracks: (tracks ?? []).map(({ codec, nb_samples: samples, language, video, audio }) => ({
      codec, samples, language, width: video?.width, height: video?.height, sampling: audio?.sample_rate,
    })),
  };
});
