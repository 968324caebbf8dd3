/** Value of the pixels that a shift uncovers. */
const background = 0;

/**
 * Copies of images moved by -`most` to `most` pixels in both directions, so that a few drawings become a data set: uint8
 * [N, side, side] → [N (2 most + 1)^2, side, side].
 */
export function shiftedImages(images: Uint8Array, side: number, most: number): Uint8Array<ArrayBuffer> {
  const count = images.length / side ** 2;
  const shifts = Array.from({ length: 2 * most + 1 }, (_, i) => i - most);
  const out = new Uint8Array(images.length * shifts.length ** 2).fill(background);
  let to = 0;
  for (let n = 0; n < count; n++) {
    for (const down of shifts) {
      for (const right of shifts) {
        for (let y = 0; y < side; y++) {
          for (let x = 0; x < side; x++) {
            const [fromY, fromX] = [y - down, x - right];
            if (fromY < 0 || fromY >= side || fromX < 0 || fromX >= side) continue;
            out[to + y * side + x] = images[n * side ** 2 + fromY * side + fromX]!;
          }
        }
        to += side ** 2;
      }
    }
  }
  return out;
}
