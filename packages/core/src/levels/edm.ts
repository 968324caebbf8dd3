import { checkInteger, checkNumber, checkPositive } from '@dm/ops';
import type { NoiseLevel, NoisePath } from './level.js';

/**
 * The variance-exploding level x = x_0 + sigma epsilon. The model's time input is c_noise = ln(sigma) / 4: Table 1 of
 * Karras et al. 2022, arXiv:2206.00364.
 * @throws {RangeError} if sigma is not > 0
 */
export function edmLevel(sigma: number): NoiseLevel {
  checkPositive('edmLevel: sigma', sigma);
  return { t: Math.log(sigma) / 4, alpha: 1, sigma };
}

/** EDM's range of sigma, Table 1 of Karras et al. 2022, arXiv:2206.00364. */
export const edmRange = { sigmaMin: 0.002, sigmaMax: 80 } as const;

export interface KarrasOptions {
  readonly steps: number;
  /** Default 0.002. */
  readonly sigmaMin?: number;
  /** Default 80. */
  readonly sigmaMax?: number;
  /** Larger values make the steps near sigmaMin shorter. Default 7. */
  readonly rho?: number;
}

/**
 * sigma_i = (sigmaMax^(1/rho) + i / (steps - 1) (sigmaMin^(1/rho) - sigmaMax^(1/rho)))^rho for i < steps, descending.
 * Eq. 5 of Karras et al. 2022, arXiv:2206.00364.
 * @throws {RangeError} if steps < 1, or 0 < sigmaMin < sigmaMax or rho > 0 does not hold
 */
export function karrasSigmas({
  steps,
  sigmaMin = edmRange.sigmaMin,
  sigmaMax = edmRange.sigmaMax,
  rho = 7,
}: KarrasOptions): number[] {
  checkInteger('karrasSigmas: steps', steps, 1);
  checkPositive('karrasSigmas: sigmaMin', sigmaMin);
  checkNumber('karrasSigmas: sigmaMax', sigmaMax, `greater than sigmaMin, ${sigmaMin}`, (s) => s > sigmaMin);
  checkPositive('karrasSigmas: rho', rho);
  const [from, to] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
  return Array.from({ length: steps }, (_, i) => (from + (steps > 1 ? i / (steps - 1) : 0) * (to - from)) ** rho);
}

/**
 * EDM's path: `karrasSigmas` followed by 0, as `edmLevel`s. Initial noise is scaled by sigmaMax.
 * @throws {RangeError} as `karrasSigmas`
 */
export function edmPath(options: KarrasOptions): NoisePath {
  const levels = karrasSigmas(options).map(edmLevel);
  const end = { t: -Infinity, alpha: 1, sigma: 0 };
  return { levels: [...levels, end], initialScale: levels[0]!.sigma, levelFromSigma: edmLevel };
}
