// Sees which picture a video element shows.

import { columns, read, rows } from '/signal/picture.mjs';

const scale = 10;
const canvas = new OffscreenCanvas(columns * scale, rows * scale);
const context = canvas.getContext('2d', { willReadFrequently: true });

/**
 * The picture on the screen. A VideoFrame holds pixels and their timestamp together: a busy machine
 * can't show one picture and tell of another.
 * @returns {{number: number | null, flash: boolean, time: number}}
 */
export function look(video) {
  const frame = new VideoFrame(video);
  try {
    context.drawImage(frame, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const grey = (x, y) => data[4 * (Math.floor(y * canvas.height) * canvas.width + Math.floor(x * canvas.width))];
    return { ...read(grey), time: frame.timestamp / 1e6 };
  } finally {
    frame.close();
  }
}
