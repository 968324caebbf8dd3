import { checkNumber, checkPositive, type FlatLayout } from '@dm/ops';
import { normals } from '../random.js';
import { checkSize, addScaled, type FlatVector, type Objective } from './objective.js';

/**
 * A random direction, normalized filter by filter: each filter d of it has the norm of the same filter of the parameters,
 * d <- d |w| / |d| (Li et al. 2018, arXiv:1712.09913, section 4), so that the scale of a layer, which a norm after it
 * takes away again, does not decide how sharp a plot looks. A filter is what makes one output: the last axis of a kernel
 * [H, W, in, out] or matrix [in, out]; of an embedding table a row. Biases and the scales of norms stay where they are, as in
 * the authors' plots. `index` numbers independent directions of a seed.
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
  /** The square reaches from -range to range in both directions. Default 1. */
  readonly range?: number;
  /** Points a side, odd, so that the parameters themselves are in the middle. Default 21. */
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
 * @throws {RangeError} if a vector has another size than the objective, a RangeError on a range that is not above 0 or
 *   an even number of points
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
