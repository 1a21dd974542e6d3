// dash.js

import { MediaPlayer } from '/modules/dashjs/dist/modern/esm/dash.all.min.js';
import { event } from '../wait.mjs';

export async function open(video, [url], trouble) {
  const player = MediaPlayer().create();
  player.on('error', ({ error }) => trouble(`dash.js tells of error ${error.code}: ${error.message}`));
  player.on('playbackError', ({ error }) => trouble(`dash.js can't play: ${error}`));
  // A gap is to be a stall. It would also jump over what isn't loaded yet after a seek, to a later picture.
  player.updateSettings({ streaming: { gaps: { jumpGaps: false } } });
  player.initialize(video, url, false);
  await event(video, 'loadedmetadata');
  const videos = player.getRepresentationsByType('video').toSorted((a, b) => b.width - a.width);
  return {
    rungs: videos.map(representation => representation.width),
    choose(rung) {
      player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } } } });
      // What is loaded of the other rung goes: a short clip is there whole.
      player.setRepresentationForTypeById('video', videos[rung].id, true);
    },
    languages: player.getTracksFor('audio').map(track => track.lang),
    speak(language) {
      player.setCurrentTrack(player.getTracksFor('audio').find(track => track.lang === language));
    },
    caption() {
      player.setTextTrack(0);
    },
    close: () => player.destroy(),
  };
}
