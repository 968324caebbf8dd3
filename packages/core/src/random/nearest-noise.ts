import { checkInteger, type Float32NdArray, type NdArray } from '@dm/ops';
import { normalBatch } from './draw.js';
import type { BatchKey } from './key.js';

/**
 * Of `candidates` noises per image, the nearest one to it in squared distance: [N, ...] for `images` [N, ...]. K-nearest
 * immiscible diffusion, Li et al. 2025, arXiv:2505.18521, which pairs images with noises so that their paths cross less.
 * Candidate j of a row is `normalBatch` with `lane` j, so that row i depends on `indices[i]` and image i only; with one
 * candidate the result is `normalBatch` itself.
 * @throws {RangeError} if candidates is not an integer >= 1
 */
export function nearestNoise(key: Omit<BatchKey, 'lane'>, images: NdArray, candidates: number): Float32NdArray {
  checkInteger('nearestNoise: candidates', candidates, 1);
  const [rows = 0, ...shape] = images.shape;
  const size = shape.reduce((product, d) => product * d, 1);
  const nearest = normalBatch(key, shape);
  const distance = (noise: Float32Array, row: number): number => {
    let sum = 0;
    for (let i = row * size; i < (row + 1) * size; i++) sum += (noise[i]! - images.data[i]!) ** 2;
    return sum;
  };
  for (let lane = 1; lane < candidates; lane++) {
    const { data } = normalBatch({ ...key, lane }, shape);
    for (let row = 0; row < rows; row++) {
      if (distance(data, row) >= distance(nearest.data, row)) continue;
      nearest.data.set(data.subarray(row * size, (row + 1) * size), row * size);
    }
  }
  return nearest;
}
