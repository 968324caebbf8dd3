import { checkNumber, checkPositive, type FlatLayout } from '@dm/ops';
import { normals } from '../random.js';
import { checkSize, addScaled, type FlatVector, type Objective } from './objective.js';

/**
 * A random direction with filter normalization, d <- d |w| / |d| per filter (Li et al. 2018, arXiv:1712.09913, section
 * 4), so that the scale of a layer, which a following norm layer cancels, does not affect how sharp a plot looks. A
 * filter is one index of the last axis of a kernel [H, W, in, out] or matrix [in, out], or one row of an embedding
 * table. Biases and norm scales get a zero direction, as in the authors' plots. Each `index` gives an independent
 * direction.
 */
export function filterNormalizedDirection(
  params: FlatVector,
  layout: FlatLayout,
  seed: number,
  index: number,
): Float64Array {
  const direction = Float64Array.from(normals('direction', seed, index, layout.size));
  for (const { shape, offset, size, group } of layout.entries) {
    if (shape.length < 2) {
      direction.fill(0, offset, offset + size);
      continue;
    }
    const isTable = group === 'embedding';
    const filters = isTable ? shape[0]! : shape.at(-1)!;
    const width = size / filters;
    for (let f = 0; f < filters; f++) {
      const [start, stride] = isTable ? [offset + f * width, 1] : [offset + f, filters];
      let [ofParams, ofDirection] = [0, 0];
      for (let k = 0, i = start; k < width; k++, i += stride) {
        ofParams += params[i]! ** 2;
        ofDirection += direction[i]! ** 2;
      }
      const scale = ofDirection === 0 ? 0 : Math.sqrt(ofParams / ofDirection);
      for (let k = 0, i = start; k < width; k++, i += stride) direction[i]! *= scale;
    }
  }
  return direction;
}

export interface PlaneOptions {
  /** The coefficients of both directions are in [-range, range]. Default 1. */
  readonly range?: number;
  /** Points per axis, odd, so that the center is one of them. Default 21. */
  readonly points?: number;
  readonly onProgress?: (done: number, of: number) => void;
}

export interface Plane {
  /** Coefficients of both directions, ascending. */
  readonly at: readonly number[];
  /** [points, points]: row j, column i is the loss at params + at[i] x + at[j] y. */
  readonly loss: Float64Array;
}

/**
 * The loss on a square around `params`, spanned by two directions.
 * @throws {RangeError} if a vector has another size than the objective, range is not > 0, or points is not odd and >= 3
 */
export async function planeSlice(
  objective: Objective,
  params: FlatVector,
  [x, y]: readonly [FlatVector, FlatVector],
  options: PlaneOptions = {},
): Promise<Plane> {
  const { range = 1, points = 21, onProgress } = options;
  checkSize(objective, 'params', params);
  checkSize(objective, 'the first direction', x);
  checkSize(objective, 'the second direction', y);
  checkPositive('planeSlice: range', range);
  checkNumber('planeSlice: points', points, 'an odd integer >= 3', (v) => v >= 3 && v % 2 === 1);
  const half = (points - 1) / 2;
  const at = Array.from({ length: points }, (_, k) => ((k - half) * range) / half);
  const loss = new Float64Array(points * points);
  for (let j = 0; j < points; j++) {
    for (let i = 0; i < points; i++) {
      loss[j * points + i] = await objective.loss(addScaled(params, [x, y], [at[i]!, at[j]!]));
      onProgress?.(j * points + i + 1, points * points);
    }
  }
  return { at, loss };
}
