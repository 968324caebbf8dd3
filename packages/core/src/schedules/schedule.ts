import { checkNumber } from '@dm/ops';

/**
 * A discrete variance-preserving noise schedule, in float64. With alpha_t = 1 - beta_t and abar_t = alpha_0 ...
 * alpha_t,
 *
 *   q(x_t | x_0) = N(sqrt(abar_t) x_0, (1 - abar_t) I)       Eq. 4 of Ho et al. 2020, arXiv:2006.11239
 *
 * Timesteps count from 0 (almost clean) to numTimesteps - 1 (almost noise).
 */
export interface NoiseSchedule {
  readonly name: string;
  /** T, the number of timesteps. */
  readonly numTimesteps: number;
  /** beta_t, length T, each in (0, 1]; only the last may be 1 (zero terminal SNR). */
  readonly betas: Float64Array;
  /** abar_t, length T, decreasing. */
  readonly alphasCumprod: Float64Array;
}

/**
 * A schedule with the given betas.
 * @throws {RangeError} if `betas` is empty, or one is outside (0, 1); the last may be 1
 */
export function scheduleFromBetas(betas: ArrayLike<number>, name = 'betas'): NoiseSchedule {
  if (betas.length === 0) throw new RangeError(`schedule "${name}": there must be at least one beta`);
  const last = betas.length - 1;
  const alphasCumprod = new Float64Array(betas.length);
  let product = 1;
  for (let t = 0; t < betas.length; t++) {
    checkNumber(`schedule "${name}": beta ${t}`, betas[t]!, 'in (0, 1), or 1 at the last timestep', (b) =>
      t === last ? b > 0 && b <= 1 : b > 0 && b < 1,
    );
    product *= 1 - betas[t]!;
    alphasCumprod[t] = product;
  }
  return { name, numTimesteps: betas.length, betas: Float64Array.from(betas), alphasCumprod };
}

/** n evenly spaced numbers from `from` to `to`, both ends exact; only `from` if n is 1. */
export function linspace(from: number, to: number, n: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) =>
    i === n - 1 && n > 1 ? to : from + (n > 1 ? ((to - from) * i) / (n - 1) : 0),
  );
}
