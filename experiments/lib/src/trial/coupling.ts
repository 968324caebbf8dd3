// oxlint-disable-next-line typescript/triple-slash-reference -- projects that compile this from source need it too
/// <reference path="./munkres-js.d.ts" />
/** Immiscible diffusion: assigns noise to nearby images within a batch. */
import munkres from 'munkres-js';
import type { NdArray } from '@dm/ops';
import type { Batch } from '@dm/trainer';
import type { TrainingRecipe } from '../recipe/recipe.js';

/**
 * Permutes the noise of a batch to minimize the total squared distance between images and noise. Li et al. 2024,
 * arXiv:2406.12303, Algorithm 1, with distances in full precision. images, noise [B, H, W, C] → noise [B, H, W, C].
 */
export function immiscibleNoise(images: NdArray, noise: NdArray): NdArray {
  const count = images.shape[0]!;
  const size = images.data.length / count;
  // |x - e|^2 = |x|^2 + |e|^2 - 2 x.e, and the sums of the first two terms do not depend on the assignment.
  const costs = Array.from({ length: count }, (_, i) =>
    Array.from({ length: count }, (_unused, j) => {
      let dot = 0;
      for (let k = 0; k < size; k++) dot += images.data[i * size + k]! * noise.data[j * size + k]!;
      return -2 * dot;
    }),
  );
  const least = Math.min(...costs.flat());
  // munkres requires nonnegative costs.
  const pairs = munkres(costs.map((row) => row.map((cost) => cost - least)));
  const data = new Float32Array(noise.data.length);
  for (const [image, from] of pairs) {
    data.set(noise.data.subarray(from * size, (from + 1) * size), image * size);
  }
  return { ...noise, data };
}

/** The transformation of a batch for a coupling; undefined if images and noise are independent. */
export function batchTransform(coupling: TrainingRecipe['coupling']): ((batch: Batch) => Batch) | undefined {
  if (coupling === 'independent') return undefined;
  return (batch) => ({ ...batch, noise: immiscibleNoise(batch.images, batch.noise) });
}
