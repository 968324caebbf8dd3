import { checkInteger } from '@dm/ops';
import { checkFeatures, checkSameDimension, squaredDistance, type Features } from './features.js';

export interface ManifoldOptions {
  /** k of the k-th nearest neighbor. Default: 3 (precision, recall) or 5 (density, coverage), as in the papers. */
  readonly neighbors?: number;
}

/**
 * Improved precision and recall, Kynkäänniemi et al. 2019, arXiv:1904.06991: the fraction of generated images within
 * the k-th-neighbor radius of some real image, and vice versa. Each in [0, 1]. At the radius itself (a tie) counts as
 * outside, as in prdc (Naeem et al. 2020).
 * @throws {RangeError} if neighbors < 1
 * @throws {EvalError} if the dimensions differ, or a set has fewer than neighbors + 1 images
 */
export function precisionRecall(
  real: Features,
  generated: Features,
  options: ManifoldOptions = {},
): { readonly precision: number; readonly recall: number } {
  const { neighbors = 3 } = options;
  checkSameDimension(real, generated);
  const realRadii = neighborRadii('real', real, neighbors);
  const generatedRadii = neighborRadii('generated', generated, neighbors);
  const inReal = new Uint8Array(generatedRadii.length);
  const inGenerated = new Uint8Array(realRadii.length);
  for (let i = 0; i < realRadii.length; i++) {
    for (let j = 0; j < generatedRadii.length; j++) {
      const distance = squaredDistance(real, i, generated, j);
      if (distance < realRadii[i]!) inReal[j] = 1;
      if (distance < generatedRadii[j]!) inGenerated[i] = 1;
    }
  }
  return { precision: mean(inReal), recall: mean(inGenerated) };
}

/**
 * Density and coverage, Naeem et al. 2020, arXiv:2002.09797: the mean number of real neighborhoods that contain a
 * generated image, divided by k (may exceed 1), and the fraction of real neighborhoods that contain a generated image.
 * @throws {RangeError} if neighbors < 1
 * @throws {EvalError} if the dimensions differ, or there are fewer than neighbors + 1 real images
 */
export function densityCoverage(
  real: Features,
  generated: Features,
  options: ManifoldOptions = {},
): { readonly density: number; readonly coverage: number } {
  const { neighbors = 5 } = options;
  checkSameDimension(real, generated);
  const radii = neighborRadii('real', real, neighbors);
  const count = checkFeatures('generated', generated, 1);
  const covered = new Uint8Array(radii.length);
  let inside = 0;
  for (let i = 0; i < radii.length; i++) {
    for (let j = 0; j < count; j++) {
      if (squaredDistance(real, i, generated, j) >= radii[i]!) continue;
      inside++;
      covered[i] = 1;
    }
  }
  return { density: inside / (neighbors * count), coverage: mean(covered) };
}

/** Squared distance of each row to its k-th nearest other row. Stores k numbers per row, not N. */
function neighborRadii(name: string, features: Features, neighbors: number): Float64Array {
  checkInteger('neighbors', neighbors, 1);
  const count = checkFeatures(name, features, neighbors + 1);
  // The k smallest distances of each row so far, ascending.
  const nearest = new Float64Array(count * neighbors).fill(Infinity);
  const offer = (row: number, distance: number) => {
    const start = row * neighbors;
    let at = start + neighbors - 1;
    if (distance >= nearest[at]!) return;
    for (; at > start && nearest[at - 1]! > distance; at--) nearest[at] = nearest[at - 1]!;
    nearest[at] = distance;
  };
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) {
      const distance = squaredDistance(features, i, features, j);
      offer(i, distance);
      offer(j, distance);
    }
  }
  return Float64Array.from({ length: count }, (_, i) => nearest[i * neighbors + neighbors - 1]!);
}

function mean(flags: Uint8Array): number {
  return flags.reduce((sum, flag) => sum + flag, 0) / flags.length;
}
