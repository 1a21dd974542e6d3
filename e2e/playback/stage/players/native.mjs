// The browser alone, with progressive MP4s. As on a site with a menu of qualities, each rung is a file.

import { event } from '../wait.mjs';

export async function open(video, urls) {
  const show = async url => {
    video.src = url;
    await event(video, 'loadeddata');
  };
  await show(urls[0]);
  return {
    async choose(rung) {
      const { currentTime, paused } = video;
      await show(urls[rung]);
      video.currentTime = currentTime;
      await event(video, 'seeked');
      if (!paused) await video.play();
    },
    close() {},
  };
}
