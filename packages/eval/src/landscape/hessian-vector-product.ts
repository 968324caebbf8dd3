import { checkPositive } from '@dm/ops';
import { EvalError } from '../errors.js';
import { normals } from '../random.js';
import { checkSize, addScaled, dot, norm, type FlatVector, type Objective } from './objective.js';

/** Products of the Hessian at fixed parameters with any vector, and how good they are. */
export interface HessianVectorProduct {
  readonly size: number;
  /** H v, to the error below; with another step on request, to see what that changes. */
  apply(v: FlatVector, step?: number): Promise<Float64Array>;
  /** Length of the displacement. */
  readonly step: number;
  /**
   * Relative difference of the products at the neighboring steps between which `step` lies, the larger one of two probes:
   * a bound that was measured, not proved.
   */
  readonly stepError: number;
  /** |u.Hv - v.Hu| / (|Hu| |Hv|)^(1/2) of the probes, which is 0 for a true Hessian and unit vectors. */
  readonly asymmetry: number;
}

export interface HessianVectorProductOptions {
  /** Length of the displacement, in place of the chosen one. */
  readonly step?: number;
  /** Of the random probe. Default 0. */
  readonly seed?: number;
}

/** Steps tried, as powers of 2, times max(1, |params|). */
const exponents = [-3, -6, -9, -12, -15, -18];

/**
 * Central differences of gradients: H v = (g(p + h u) - g(p - h u)) |v| / 2h + O(h^2) with u = v / |v|.
 *
 * A large h pays with the third derivative, a small one with the rounding of gradients and parameters. The rule: products
 * with two probes (the gradient's own direction, which lies along sharp ones, and a random one) are taken at steps
 * max(1, |p|) 2^-3, 2^-6, ..., 2^-18; where two neighbors differ least, in the worse of the probes, the step is their
 * geometric mean, at which both kinds of error are smaller than at the neighbor that has more of it. Costs 24 gradients.
 * @throws {EvalError} if gradients are not finite
 */
export async function hessianVectorProduct(
  objective: Objective,
  params: FlatVector,
  options: HessianVectorProductOptions = {},
): Promise<HessianVectorProduct> {
  const { seed = 0 } = options;
  checkSize(objective, 'params', params);
  const { size } = objective;
  const at = async (v: FlatVector, step: number): Promise<Float64Array> => {
    const length = norm(v);
    if (length === 0) return new Float64Array(size);
    const c = step / length;
    // Copies: an engine may give its own buffer.
    const ahead = Float64Array.from(await objective.gradient(addScaled(params, [v], [c])));
    const behind = await objective.gradient(addScaled(params, [v], [-c]));
    for (let i = 0; i < size; i++) ahead[i] = (ahead[i]! - behind[i]!) / (2 * c);
    return ahead;
  };
  const random = normalize(normals('product', seed, 0, size));
  const gradient = Float64Array.from(await objective.gradient(params));
  if (!gradient.every(Number.isFinite))
    throw new EvalError('NOT_FINITE', 'The gradient at these parameters is not finite.');
  // At a minimum the gradient is zero and has no direction.
  const probes = norm(gradient) > 0 ? [normalize(gradient), random] : [random];

  let step = options.step;
  let stepError: number;
  if (step === undefined) {
    const scale = Math.max(1, norm(params));
    const steps = exponents.map((exponent) => scale * 2 ** exponent);
    const errors = new Float64Array(steps.length - 1);
    for (const probe of probes) {
      let previous: Float64Array | undefined;
      for (const [k, h] of steps.entries()) {
        const product = await at(probe, h);
        if (previous !== undefined) errors[k - 1] = Math.max(errors[k - 1]!, difference(previous, product));
        previous = product;
      }
    }
    const best = errors.indexOf(Math.min(...errors.filter(Number.isFinite)));
    if (best < 0) throw new EvalError('NOT_FINITE', 'No step gives a finite product of the Hessian.');
    step = Math.sqrt(steps[best]! * steps[best + 1]!);
    stepError = errors[best]!;
  } else {
    checkPositive('hessianVectorProduct: step', step);
    const errors = [];
    for (const probe of probes) errors.push(difference(await at(probe, step), await at(probe, step / 2)));
    stepError = Math.max(...errors);
  }
  const chosen = step;
  return {
    size,
    apply: (v, other = chosen) => at(v, other),
    step,
    stepError,
    asymmetry: await asymmetryOf((v) => at(v, chosen)),
  };

  async function asymmetryOf(apply: HessianVectorProduct['apply']): Promise<number> {
    const [u, v] = [random, normalize(normals('product', seed, 1, size))];
    const [hu, hv] = [await apply(u), await apply(v)];
    const scale = Math.sqrt(norm(hu) * norm(hv));
    return scale === 0 ? 0 : Math.abs(dot(u, hv) - dot(v, hu)) / scale;
  }
}

/** |a - b| / |b|; 0 where both are zero. */
function difference(a: Float64Array, b: Float64Array): number {
  const apart = norm(addScaled(a, [b], [-1]));
  return apart === 0 ? 0 : apart / norm(b);
}

/** A vector of norm 1 in its direction. */
export function normalize(v: FlatVector): Float64Array {
  const length = norm(v);
  return Float64Array.from(v, (value) => value / length);
}
