// Shaka Player

import { script } from '../wait.mjs';

// Kept in front of the playhead at a switch, seconds: enough for what comes to be loaded.
const margin = 1;

export async function open(video, [url], trouble) {
  const shaka = await script('/modules/shaka-player/dist/shaka-player.compiled.js', 'shaka');
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  const told = ({ code, data }) => `Shaka Player tells of error ${code}: ${JSON.stringify(data)}`;
  player.addEventListener('error', ({ detail }) => trouble(told(detail)));
  player.addEventListener('gapjumped', () => trouble(`Shaka Player jumped over a gap to ${video.currentTime}`));
  await player.attach(video);
  await player.load(url).catch(error => {
    throw Error(told(error));
  });
  const videos = player.getVideoTracks().toSorted((a, b) => b.width - a.width);
  return {
    rungs: videos.map(track => track.width),
    choose(rung) {
      player.configure({ abr: { enabled: false } });
      player.selectVideoTrack(videos[rung], true, margin);
    },
    languages: player.getAudioTracks().map(track => track.language),
    speak(language) {
      player.selectAudioTrack(player.getAudioTracks().find(track => track.language === language), margin);
    },
    caption(channel) {
      player.selectTextTrack(player.getTextTracks().find(track => track.originalTextId === channel));
    },
    close: () => player.destroy(),
  };
}
