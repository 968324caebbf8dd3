import { checkNonNegative, checkOptions, checkPositive } from '@dm/ops';
import type { NoiseLevel, NoisePath } from '../levels/level.js';

/**
 * Noise added before each step, which corrects errors of earlier steps. Section 4 of Karras et al. 2022,
 * arXiv:2206.00364.
 */
export interface ChurnOptions {
  /** S_churn, the total amount over all steps; at least 0. There is none at SNR 0. */
  readonly amount: number;
  /** S_min: no churn if sigma / alpha is below it. Default 0. */
  readonly min?: number;
  /** S_max: no churn if sigma / alpha is above it. Default Infinity. */
  readonly max?: number;
  /** S_noise, the standard deviation of the noise. Default 1; the paper uses 1.003 to 1.007. */
  readonly std?: number;
}

/**
 * The level after churn, and the factors of x and of fresh noise that lead to it; `owner` is the sampler's name.
 * @throws {RangeError} if there is churn and the path has no `levelFromSigma`
 */
export function churnedLevel(
  owner: string,
  level: NoiseLevel,
  path: NoisePath,
  steps: number,
  churn: ChurnOptions | undefined,
): { from: NoiseLevel; added?: { x: number; noise: number } } {
  if (!churn) return { from: level };
  const { amount, min = 0, max = Infinity, std = 1 } = churn;
  const ratio = level.sigma / level.alpha;
  const gamma = ratio >= min && ratio <= max && ratio < Infinity ? Math.min(amount / steps, Math.SQRT2 - 1) : 0;
  if (gamma === 0) return { from: level };
  if (!path.levelFromSigma) throw new RangeError(`${owner}: churn needs a path with \`levelFromSigma\``);
  const from = path.levelFromSigma(ratio * (1 + gamma));
  const gained = ratio * Math.sqrt((1 + gamma) ** 2 - 1);
  return { from, added: { x: from.alpha / level.alpha, noise: from.alpha * gained * std } };
}

/** @throws {RangeError} if an option is unknown or out of range */
export function checkChurn(owner: string, churn: ChurnOptions): void {
  checkOptions(`${owner}: churn`, churn, ['amount', 'min', 'max', 'std']);
  checkNonNegative(`${owner}: churn.amount`, churn.amount);
  checkNonNegative(`${owner}: churn.min`, churn.min ?? 0);
  checkPositive(`${owner}: churn.std`, churn.std ?? 1);
  const { min = 0, max = Infinity } = churn;
  if (!(max >= min)) throw new RangeError(`${owner}: churn.max must be at least churn.min, ${min}, got ${max}`);
}
