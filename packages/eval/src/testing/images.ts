import type { ImageBytes } from '../extractors/feature-extractor.js';

/** Images from a closed integer formula, the same as in tools/extractors. */
export function formulaImages(count: number, size: number, channels = 3): ImageBytes {
  const data = new Uint8Array(count * size * size * channels);
  let at = 0;
  for (let n = 0; n < count; n++) {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        for (let c = 0; c < channels; c++) {
          data[at++] = Math.floor((x * x * (n + 1) + 3 * y * y + 5 * x * y * c + 31 * c * n) / 16) % 256;
        }
      }
    }
  }
  return { data, shape: [count, size, size, channels] };
}

/**
 * |a - b| / |b|, in the Euclidean norm.
 * @throws {Error} if the lengths differ
 */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} numbers compared with ${b.length}`);
  let [difference, norm] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    norm += b[i]! ** 2;
  }
  return Math.sqrt(difference / norm);
}
