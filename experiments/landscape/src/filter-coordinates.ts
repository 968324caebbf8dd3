/** Coordinates in which a loss landscape does not depend on the scale of the filters. */
import type { FlatVector, Objective } from '@dm/eval';
import type { FlatLayout } from '@dm/ops';

/**
 * For each parameter, the norm of its filter; 0 for biases and norm scales. A filter is one index of the last axis of a
 * kernel or matrix, or one row of an embedding table, as in `filterNormalizedDirection` of @dm/eval.
 */
export function filterNorms(params: FlatVector, layout: FlatLayout): Float64Array {
  const norms = new Float64Array(layout.size);
  for (const { shape, offset, size, group } of layout.entries) {
    if (shape.length < 2) continue;
    const filters = group === 'embedding' ? shape[0]! : shape.at(-1)!;
    const width = size / filters;
    for (let f = 0; f < filters; f++) {
      const [start, stride] = group === 'embedding' ? [offset + f * width, 1] : [offset + f, filters];
      let sum = 0;
      for (let k = 0, i = start; k < width; k++, i += stride) sum += params[i]! ** 2;
      for (let k = 0, i = start; k < width; k++, i += stride) norms[i] = Math.sqrt(sum);
    }
  }
  return norms;
}

/**
 * The loss as a function of z with params = center + scale z, elementwise: its gradient at z is scale times the
 * gradient, and its Hessian S H S with S = diag(scale). With the filter norms as `scale`, a unit vector z changes the
 * filters by 1 in total, in units of their norms, so the eigenvalues of S H S do not change when a filter is multiplied
 * by a factor that a following norm layer cancels (adaptive sharpness, Kwon et al. 2021, arXiv:2102.11600).
 */
export function scaledObjective(objective: Objective, center: FlatVector, scale: FlatVector): Objective {
  // Loops, since `from` with a function is slow for large arrays.
  const paramsAt = (z: FlatVector): Float64Array => {
    const params = Float64Array.from(center);
    for (let i = 0; i < params.length; i++) params[i]! += scale[i]! * z[i]!;
    return params;
  };
  return {
    size: objective.size,
    loss: (z) => objective.loss(paramsAt(z)),
    async gradient(z) {
      const gradient = Float64Array.from(await objective.gradient(paramsAt(z)));
      for (let i = 0; i < gradient.length; i++) gradient[i]! *= scale[i]!;
      return gradient;
    },
  };
}
