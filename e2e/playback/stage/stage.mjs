// What a test can ask of the page: one video element and one player. It reports what was to be seen and
// heard; the test judges. Everything it takes and gives is plain data.

import { look } from './eye.mjs';
import { Listener } from './listener.mjs';
import { event, until } from './wait.mjs';

const video = document.querySelector('video');
let player = null;
let listener = null;
let troubles = [];
// Whether nothing was asked for but to play: a seek or a switch may leave the element without data for a moment.
let calm = false;

const ranges = () => Array.from(video.buffered, (_, n) => [video.buffered.start(n), video.buffered.end(n)]);
const trouble = text => troubles.push(`at ${video.currentTime.toFixed(3)} s: ${text}`);

/** Seconds of data in front of the playhead. */
const ahead = () => (ranges().find(([start, end]) => start <= video.currentTime && video.currentTime < end)?.[1] ?? video.currentTime) - video.currentTime;

// An element waits also when the machine is too busy to decode what it has: that is no stall.
const starving = 0.1;
video.addEventListener('waiting', () => {
  const atEnd = video.currentTime + starving > video.duration;
  if (calm && !atEnd && ahead() < starving) trouble(`stalled, with ${JSON.stringify(ranges())} in the buffer`);
});
video.addEventListener('seeking', () => {
  if (calm) trouble('the player jumped by itself');
});
video.addEventListener('error', () => trouble(`the element's error ${video.error.code}: ${video.error.message}`));
video.addEventListener('timeupdate', () => {
  if (calm && ranges().length > 1) trouble(`a gap in the buffer: ${JSON.stringify(ranges())}`);
});

/** Calls back at each picture until it is told to stop, with the pictures so far. */
function watch(onPicture = () => {}) {
  const pictures = [];
  let handle = 0;
  const next = () => {
    handle = video.requestVideoFrameCallback(next);
    pictures.push({ ...look(video), width: video.videoWidth });
    onPicture(pictures);
  };
  handle = video.requestVideoFrameCallback(next);
  return {
    pictures,
    stop: () => video.cancelVideoFrameCallback(handle),
  };
}

/** The picture that stands: the one that is due, or what else is there in the end. It may come after the event. */
const settle = due => until(`picture ${due}`, done => {
  const check = () => {
    const picture = shown();
    if (picture.number === due) done(picture);
    else video.requestVideoFrameCallback(check);
  };
  check();
}).catch(shown);

/** What is on the screen: no picture of the clip before the first one is painted. */
function shown() {
  try {
    return look(video);
  } catch {
    return { number: null, flash: false, time: video.currentTime };
  }
}

/** Plays, and returns when it moves. */
async function play() {
  const playing = event(video, 'playing');
  await video.play();
  await playing;
}

const reached = time => until(`${time} s to be played, it stands at ${video.currentTime} s of ${video.duration} s`, done => {
  video.addEventListener('timeupdate', function check() {
    if (video.currentTime < time && !video.ended) return;
    video.removeEventListener('timeupdate', check);
    done();
  });
});

window.stage = {
  /** Puts media into a player, paused at its beginning. */
  async open(name, urls) {
    await player?.close();
    const { open } = await import(`./players/${name}.mjs`);
    player = await open(video, urls, trouble);
    // Some players are done before the element is.
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) await event(video, 'loadeddata');
    return { duration: video.duration, rungs: player.rungs, languages: player.languages };
  },

  async playToEnd(rate) {
    video.playbackRate = rate;
    const watching = watch();
    const ended = event(video, 'ended');
    await play();
    calm = true;
    await ended;
    calm = false;
    watching.stop();
    return { pictures: watching.pictures, time: video.currentTime, duration: video.duration };
  },

  /** The picture after a seek. */
  async seek(time, due) {
    const seeked = event(video, 'seeked');
    video.currentTime = time;
    await seeked;
    return settle(due);
  },

  /** Plays on in another rung until enough of its pictures were to be seen. */
  async choose(rung, width, enough) {
    if (video.paused) await play();
    let watching;
    const seen = until(`pictures ${width} wide`, done => {
      watching = watch(pictures => {
        if (pictures.filter(picture => picture.width === width).length >= enough) done();
      });
    });
    await player.choose(rung);
    await seen.finally(watching.stop);
    return watching.pictures;
  },

  /** The picture that stands. */
  picture: due => settle(due),

  /** What is to be seen and heard from one time to another; from where it stands for `null`. */
  async perform(from, to) {
    listener ??= await Listener.to(video);
    video.playbackRate = 1;
    if (from !== null && video.currentTime !== from) {
      const seeked = event(video, 'seeked');
      video.currentTime = from;
      await seeked;
    }
    listener.take();
    const watching = video.videoWidth ? watch() : null;
    const there = reached(to);
    await play();
    calm = true;
    await there;
    calm = false;
    const beeps = listener.take();
    watching?.stop();
    video.pause();
    return { pictures: watching?.pictures, beeps };
  },

  /** Another language, from here on. */
  async speak(language) {
    await player.speak(language);
  },

  /** Captions of a channel that come up to a time: what they say, and from when on. */
  async captions(channel, time) {
    const list = video.textTracks;
    const load = () => Array.from(list).forEach(track => {
      if (track.mode === 'disabled') track.mode = 'hidden';
    });
    list.addEventListener('addtrack', load);
    await player.caption?.(channel);
    load();
    video.playbackRate = 2;
    const there = reached(time);
    await play();
    await there;
    video.pause();
    list.removeEventListener('addtrack', load);
    return Array.from(list).flatMap(({ label, cues }) => Array.from(cues ?? [], ({ text, startTime }) => ({ label, text, start: startTime })));
  },

  troubles: () => troubles,
};
