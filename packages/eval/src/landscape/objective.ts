/** Flat parameters, float32 or float64. */
export type FlatVector = Float32Array | Float64Array;

/**
 * A loss as a function of flat parameters: a diffusion model on a fixed batch, a GAN's generator against a fixed
 * discriminator, or a formula. Both functions are deterministic and keep no reference to the parameters.
 */
export interface Objective {
  /** Number of parameters. */
  readonly size: number;
  loss(params: FlatVector): Promise<number>;
  gradient(params: FlatVector): Promise<FlatVector>;
}

/** @throws {RangeError} if `params` has another size than the objective */
export function checkSize(objective: Pick<Objective, 'size'>, name: string, params: FlatVector): void {
  if (params.length === objective.size) return;
  throw new RangeError(`${name} has ${params.length} numbers; the objective has ${objective.size} parameters.`);
}

/** base + sum_k coefficients[k] directions[k], in float64. */
export function addScaled(
  base: FlatVector,
  directions: readonly FlatVector[],
  coefficients: readonly number[],
): Float64Array {
  const out = Float64Array.from(base);
  directions.forEach((direction, k) => {
    const c = coefficients[k]!;
    for (let i = 0; i < out.length; i++) out[i]! += c * direction[i]!;
  });
  return out;
}

export function dot(a: FlatVector, b: FlatVector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

export function norm(a: FlatVector): number {
  return Math.sqrt(dot(a, a));
}
