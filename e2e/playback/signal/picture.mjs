// What the test clips show. Every picture carries its own number, so that whoever sees one knows which
// frame it is, in any rung and any player: no timestamp has to be believed.
//
// A picture is a grid of 16 x 9 squares:
//
//   rows 0, 1   white, black, twelve bits of the number (highest first), two bits of their check sum
//   rows 2, 3   noise that moves, so that codecs have something to do and larger rungs more of it
//   rows 4 - 8  white during a flash, else dark

export const columns = 16;
export const rows = 9;
const bits = 12;
const white = 255;
const dark = 24;

// The same in every run: a linear congruential generator.
const noise = new Uint8Array(1 << 18);
for (let n = 0, state = 1; n < noise.length; n++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  noise[n] = 96 + (state >>> 26);
}

const checkSum = number => number.toString(2).replaceAll('0', '').length % 4;

/** One picture, 8 bits of grey a pixel. The sides are multiples of the grid's. */
export function paint(number, width, height, flash) {
  const pixels = new Uint8Array(width * height).fill(flash ? white : dark);
  const side = width / columns;
  const code = (0b10 << (bits + 2)) | (number << 2) | checkSum(number);
  const fill = (x, y, w, h, value) => {
    for (let line = y; line < y + h; line++) pixels.fill(value, line * width + x, line * width + x + w);
  };
  for (let column = 0; column < columns; column++) {
    const bit = (code >> (columns - 1 - column)) & 1;
    fill(column * side, 0, side, side * 2, bit ? white : 0);
  }
  for (let line = side * 2; line < side * 4; line++) pixels.set(noise.subarray(line * width + number, line * width + number + width), line * width);
  return pixels;
}

/**
 * Reads a picture of any size.
 * @param {(x: number, y: number) => number} grey the pixel at a place, both from 0 to 1
 * @returns {{number: number | null, flash: boolean}} null where there is no code
 */
export function read(grey) {
  const at = (column, row) => grey((column + 0.5) / columns, (row + 0.5) / rows);
  let code = 0;
  for (let column = 0; column < columns; column++) code = code * 2 + (at(column, 0.5) > 127 ? 1 : 0);
  const number = (code >> 2) & ((1 << bits) - 1);
  const whole = code >> (bits + 2) === 0b10 && (code & 3) === checkSum(number);
  return { number: whole ? number : null, flash: at(columns / 2, 6) > 127 };
}
