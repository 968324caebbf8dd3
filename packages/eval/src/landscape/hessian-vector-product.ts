import { checkPositive } from '@dm/ops';
import { EvalError } from '../errors.js';
import { normals } from '../random.js';
import { checkSize, addScaled, dot, norm, type FlatVector, type Objective } from './objective.js';

/** Hessian-vector products at fixed parameters, with estimates of their error. */
export interface HessianVectorProduct {
  readonly size: number;
  /** H v. `step` overrides the chosen finite-difference step. */
  apply(v: FlatVector, step?: number): Promise<Float64Array>;
  /** Finite-difference step h, the length of the displacement. */
  readonly step: number;
  /**
   * Relative difference of the products at the two tried steps around `step`, the larger one of two probes. An
   * empirical error estimate, not a bound.
   */
  readonly stepError: number;
  /** |u.Hv - v.Hu| / (|Hu| |Hv|)^(1/2) of the two probes (unit vectors); 0 for an exact Hessian. */
  readonly asymmetry: number;
}

export interface HessianVectorProductOptions {
  /** Finite-difference step. Default: chosen automatically. */
  readonly step?: number;
  /** Seed of the random probe. Default 0. */
  readonly seed?: number;
}

/** Steps to try: 2^exponent * max(1, |params|). */
const exponents = [-3, -6, -9, -12, -15, -18];

/**
 * Central differences of gradients: H v = (g(p + h u) - g(p - h u)) |v| / 2h + O(h^2) with u = v / |v|.
 *
 * A large h suffers from the third derivative, a small h from rounding of gradients and parameters. To choose h,
 * products with two probes (the gradient's direction, which tends to be sharp, and a random one) are computed at the
 * steps max(1, |p|) 2^-3, 2^-6, ..., 2^-18. h is the geometric mean of the two neighboring steps whose products differ
 * least, for the worse of the two probes. Costs 24 gradients.
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
    // Copied, since an engine may return a buffer that it reuses.
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
    if (best < 0) throw new EvalError('NOT_FINITE', 'No step size gives a finite Hessian-vector product.');
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

/** |a - b| / |b|; 0 if both are zero. */
function difference(a: Float64Array, b: Float64Array): number {
  const apart = norm(addScaled(a, [b], [-1]));
  return apart === 0 ? 0 : apart / norm(b);
}

/** v / |v|. */
export function normalize(v: FlatVector): Float64Array {
  const length = norm(v);
  return Float64Array.from(v, (value) => value / length);
}
