import { checkInteger, checkNumber, checkPositive } from '@dm/ops';
import type { NoiseLevel, NoisePath } from './level.js';

/**
 * The variance-exploding level x = x_0 + sigma epsilon, told to the model as c_noise = ln(sigma) / 4. Table 1, EDM.
 * @throws {RangeError} unless sigma > 0
 */
export function edmLevel(sigma: number): NoiseLevel {
  checkPositive('edmLevel: sigma', sigma);
  return { t: Math.log(sigma) / 4, alpha: 1, sigma };
}

export interface KarrasOptions {
  readonly steps: number;
  /** 0.002 by default. */
  readonly sigmaMin?: number;
  /** 80 by default. */
  readonly sigmaMax?: number;
  /** How much shorter the steps near sigmaMin are: 7 by default. */
  readonly rho?: number;
}

/**
 * sigma_i = (sigmaMax^(1/rho) + i / (steps - 1) (sigmaMin^(1/rho) - sigmaMax^(1/rho)))^rho for i < steps, descending.
 * Eq. 5 of Karras et al. 2022, arXiv:2206.00364.
 * @throws {RangeError} unless steps >= 1, 0 < sigmaMin < sigmaMax and rho > 0
 */
export function karrasSigmas({ steps, sigmaMin = 0.002, sigmaMax = 80, rho = 7 }: KarrasOptions): number[] {
  checkInteger('karrasSigmas: steps', steps, 1);
  checkPositive('karrasSigmas: sigmaMin', sigmaMin);
  checkNumber('karrasSigmas: sigmaMax', sigmaMax, `greater than sigmaMin, ${sigmaMin}`, (s) => s > sigmaMin);
  checkPositive('karrasSigmas: rho', rho);
  const [from, to] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
  return Array.from({ length: steps }, (_, i) => (from + (steps > 1 ? i / (steps - 1) : 0) * (to - from)) ** rho);
}

/** EDM's path: `karrasSigmas`, then 0, for a model of the levels `edmLevel`. Starts from noise times sigmaMax. */
export function edmPath(options: KarrasOptions): NoisePath {
  const levels = karrasSigmas(options).map(edmLevel);
  const end = { t: -Infinity, alpha: 1, sigma: 0 };
  return { levels: [...levels, end], initialScale: levels[0]!.sigma, levelFromSigma: edmLevel };
}
