/**
 * Prediction types and conversions between them.
 *
 * x_t = alpha x_0 + sigma epsilon, and every prediction is F = a x_0 + b epsilon. Solving these two equations for any
 * other combination gives each conversion in closed form, without an intermediate that is infinite at an end of the
 * schedule.
 */
import { checkChoice, checkPositive } from '@dm/ops';
import type { NoiseLevel } from '../levels/level.js';

/**
 * - `epsilon`: the noise. Ho et al. 2020, arXiv:2006.11239.
 * - `x0`: the clean image (`sample` in diffusers).
 * - `v`: alpha epsilon - sigma x_0. Salimans & Ho 2022, arXiv:2202.00512.
 * - `flow`: epsilon - x_0, the velocity of rectified flow. Liu et al. 2022, arXiv:2209.03003.
 * - `edm`: F of D = c_skip x + c_out F. Karras et al. 2022, arXiv:2206.00364, Eq. 7 and Table 1. For sigmaData 1 and a
 *   variance-preserving level it is -v.
 */
export const predictions = ['epsilon', 'x0', 'v', 'flow', 'edm'] as const;
export type Prediction = (typeof predictions)[number];

export interface PredictionOptions {
  /** Standard deviation of the data, used by `edm`. Default 0.5. */
  readonly sigmaData?: number;
}

/** A combination of x_0 and epsilon. */
export interface TargetCoefficients {
  readonly x0: number;
  readonly noise: number;
}

/** A combination of x_t and the network's output. */
export interface Conversion {
  readonly x: number;
  readonly output: number;
}

type Levels = Pick<NoiseLevel, 'alpha' | 'sigma'>;

/** Each prediction as a x_0 + b epsilon, and alpha b - sigma a in a form without cancellation. */
const forms: Record<
  Prediction,
  {
    readonly mixture: (alpha: number, sigma: number, sigmaData: number) => readonly [a: number, b: number];
    readonly determinant: (alpha: number, sigma: number, sigmaData: number) => number;
  }
> = {
  epsilon: { mixture: () => [0, 1], determinant: (alpha) => alpha },
  x0: { mixture: () => [1, 0], determinant: (_, sigma) => -sigma },
  v: { mixture: (alpha, sigma) => [-sigma, alpha], determinant: (alpha, sigma) => alpha * alpha + sigma * sigma },
  flow: { mixture: () => [-1, 1], determinant: (alpha, sigma) => alpha + sigma },
  edm: {
    // (x_0 - c_skip x) / c_out with x = alpha x_0 + sigma epsilon, simplified.
    mixture: (alpha, sigma, sigmaData) => {
      const scale = Math.hypot(sigma, sigmaData * alpha);
      return [sigma / (sigmaData * scale), (-sigmaData * alpha) / scale];
    },
    determinant: (alpha, sigma, sigmaData) => -Math.hypot(sigma, sigmaData * alpha) / sigmaData,
  },
};

/**
 * The training target of a prediction at a level: x0 · x_0 + noise · epsilon. Finite at every level.
 * @throws {RangeError} if the prediction is unknown, or sigmaData is not > 0
 */
export function targetCoefficients(
  prediction: Prediction,
  { alpha, sigma }: Levels,
  { sigmaData = 0.5 }: PredictionOptions = {},
): TargetCoefficients {
  checkChoice('prediction', prediction, predictions);
  checkPositive('sigmaData', sigmaData);
  const [x0, noise] = forms[prediction].mixture(alpha, sigma, sigmaData);
  return { x0, noise };
}

/**
 * The coefficients with which `to` = x · x_t + output · F, for a network whose output F predicts `from`.
 * @throws {RangeError} if F does not determine `to`: from `epsilon` at SNR 0, or from `x0` without noise
 */
export function conversion(
  from: Prediction,
  to: Prediction,
  level: Levels,
  options: PredictionOptions = {},
): Conversion {
  if (from === to) return { x: 0, output: 1 };
  const { alpha, sigma } = level;
  const f = targetCoefficients(from, level, options);
  const g = targetCoefficients(to, level, options);
  const determinant = forms[from].determinant(alpha, sigma, options.sigmaData ?? 0.5);
  if (determinant === 0) {
    throw new RangeError(
      from === 'epsilon'
        ? `epsilon cannot be converted to ${to} at SNR 0, where x is pure noise; train v or x0, or skip that timestep`
        : `x0 cannot be converted to ${to} without noise (sigma ${sigma})`,
    );
  }
  return {
    x: (g.x0 * f.noise - g.noise * f.x0) / determinant,
    output: (alpha * g.noise - sigma * g.x0) / determinant,
  };
}

/**
 * The factor by which the squared error grows when the network's output is converted from `from` to `to`: |to error|^2 =
 * scale |from error|^2, since x_t is known. It is the square of `conversion`'s `output`, and Infinity if F does not
 * determine `to`.
 * @throws {RangeError} if a prediction is unknown, or sigmaData is not > 0
 */
export function squaredErrorScale(
  from: Prediction,
  to: Prediction,
  { alpha, sigma }: Levels,
  { sigmaData = 0.5 }: PredictionOptions = {},
): number {
  checkChoice('prediction', from, predictions);
  checkChoice('prediction', to, predictions);
  checkPositive('sigmaData', sigmaData);
  if (from === to) return 1;
  const [denominator, numerator] = [from, to].map((type) => forms[type].determinant(alpha, sigma, sigmaData));
  return denominator === 0 ? Infinity : (numerator! / denominator!) ** 2;
}

/**
 * The factor of the network's input x_t: c_in = 1 / sqrt(sigma^2 + sigmaData^2 alpha^2) for `edm` (Table 1 of Karras et
 * al. 2022, arXiv:2206.00364), 1 for all others.
 */
export function inputScale(
  prediction: Prediction,
  { alpha, sigma }: Levels,
  { sigmaData = 0.5 }: PredictionOptions = {},
): number {
  return prediction === 'edm' ? 1 / Math.hypot(sigma, sigmaData * alpha) : 1;
}
