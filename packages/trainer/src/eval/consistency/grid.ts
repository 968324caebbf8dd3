/** The picture of consistency: a row per noise, a column per model. */
import type { SampleSet } from '@dm/eval';
import { imageGrid } from '@dm/data';

/** PNG bytes of the first `rows` samples of each set side by side. Pixels in [-1, 1]. */
export async function consistencyGrid(
  sets: readonly SampleSet[],
  shape: readonly [number, number, number],
  rows: number,
): Promise<Uint8Array> {
  const size = shape[0] * shape[1] * shape[2];
  const images = new Float32Array(rows * sets.length * size);
  for (let n = 0; n < rows; n++) {
    sets.forEach(({ samples }, m) =>
      images.set(samples.subarray(n * size, (n + 1) * size), (n * sets.length + m) * size),
    );
  }
  // Small images are enlarged so that a person can see them.
  const scale = Math.max(1, Math.floor(56 / Math.max(shape[0], shape[1])));
  return imageGrid(images, { shape, columns: sets.length, scale });
}
