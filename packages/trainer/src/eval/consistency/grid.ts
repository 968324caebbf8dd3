/** Image grid for consistency: one row per noise sample, one column per model. */
import type { SampleSet } from '@dm/eval';
import { imageGrid } from '@dm/data';

/** PNG of the first `rows` samples of each set side by side. Pixels are in [-1, 1]. */
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
  // Enlarge small images to make them visible.
  const scale = Math.max(1, Math.floor(56 / Math.max(shape[0], shape[1])));
  return imageGrid(images, { shape, columns: sets.length, scale });
}
