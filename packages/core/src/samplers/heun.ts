import { checkChoice, checkNonNegative, checkOptions, checkPositive } from '@dm/ops';
import type { NoiseLevel, NoisePath } from '../levels/level.js';
import { checkContiguous, planOf, type Sampler, type Stage } from './sampler.js';

/**
 * Noise added before each step, which corrects errors of earlier steps. Section 4 of Karras et al. 2022,
 * arXiv:2206.00364.
 */
export interface ChurnOptions {
  /** S_churn, the total amount over all steps; at least 0. */
  readonly amount: number;
  /** S_min: no churn if sigma / alpha is below it. Default 0. */
  readonly min?: number;
  /** S_max: no churn if sigma / alpha is above it. Default Infinity. */
  readonly max?: number;
  /** S_noise, the standard deviation of the noise. Default 1; the paper uses 1.003 to 1.007. */
  readonly std?: number;
}

export interface HeunOptions {
  /**
   * The variable of integration: `ratio` (default), sigma / alpha, as in EDM; or `flow`, sigma / (alpha + sigma), the
   * time of rectified flow, which is finite at pure noise.
   */
  readonly variable?: 'ratio' | 'flow';
  readonly churn?: ChurnOptions;
}

/**
 * Heun's second-order method on dy/ds = (y - x_0) / s, y = x / scale: Algorithm 1 (with churn: Algorithm 2) of Karras
 * et al. 2022, arXiv:2206.00364. Two evaluations per step; one in the last step, if that ends without noise.
 *
 *     const scale = (level) => (variable === 'ratio' ? level.alpha : level.alpha + level.sigma);
 *     const s = (level) => level.sigma / scale(level);
 *     let y = (path.initialScale * normal()) / scale(levels[0]);
 *     for (let i = 0; i < steps; i++) {
 *       const [level, to] = [levels[i], levels[i + 1]];
 *       const gamma = churn && s(level) >= min && s(level) <= max ? Math.min(amount / steps, Math.SQRT2 - 1) : 0;
 *       const from = gamma > 0 ? path.levelFromSigma(s(level) * (1 + gamma)) : level;
 *       y += std * sqrt(s(from) ** 2 - s(level) ** 2) * normal();
 *       const slope = (y - denoise(scale(from) * y, from)) / s(from);
 *       const euler = y + (s(to) - s(from)) * slope;
 *       const slopeAtEnd = to.sigma > 0 ? (euler - denoise(scale(to) * euler, to)) / s(to) : slope;
 *       y += (s(to) - s(from)) * (slope + slopeAtEnd) / 2;
 *     }
 *     return scale(levels[steps]) * y;
 *
 * @throws {RangeError} if an option is out of range; the plan throws if the path starts at SNR 0 and the variable is
 * `ratio`, or if churn is set and the path has no `levelFromSigma`
 */
export function heun({ variable = 'ratio', churn }: HeunOptions = {}): Sampler {
  checkChoice('heun: variable', variable, ['ratio', 'flow']);
  if (churn) checkChurn(churn, variable);
  const scaleOf = ({ alpha, sigma }: NoiseLevel): number => (variable === 'ratio' ? alpha : alpha + sigma);
  const timeOf = (level: NoiseLevel): number => level.sigma / scaleOf(level);

  return {
    name: 'heun',
    plan(path) {
      checkContiguous(path);
      const steps = path.levels.length - 1;
      const stages = path.levels.slice(0, -1).flatMap((level, step): Stage[] => {
        if (scaleOf(level) === 0) {
          throw new RangeError(
            'heun: sigma / alpha is infinite at the start of this path (SNR 0); use the variable "flow"',
          );
        }
        const { from, added } = churnedLevel(level, path, steps, churn);
        const to = path.levels[step + 1]!;
        const ratio = timeOf(to) / timeOf(from);
        const euler: Stage = {
          level: from,
          next: { x: (ratio * scaleOf(to)) / scaleOf(from), x0: scaleOf(to) * (1 - ratio) },
          history: { start: { x: 1 }, startX0: { x0: 1 } },
          step,
          endsStep: to.sigma === 0,
          ...(added ? { churn: added } : {}),
        };
        if (to.sigma === 0) return [euler];
        // The coefficients of y + (s(to) - s(from)) * (slope + slopeAtEnd) / 2.
        const half = (ratio - 1) / 2;
        const halfBack = (1 - 1 / ratio) / 2;
        const corrected: Stage = {
          level: to,
          next: {
            start: (scaleOf(to) / scaleOf(from)) * (1 + half),
            startX0: -scaleOf(to) * half,
            x: halfBack,
            x0: -scaleOf(to) * halfBack,
          },
          step,
          endsStep: true,
        };
        return [euler, corrected];
      });
      return planOf(stages, ['start', 'startX0']);
    },
  };
}

/** The level after churn, and the factors of x and of fresh noise that lead to it. */
function churnedLevel(
  level: NoiseLevel,
  path: NoisePath,
  steps: number,
  churn: ChurnOptions | undefined,
): { from: NoiseLevel; added?: { x: number; noise: number } } {
  if (!churn) return { from: level };
  const { amount, min = 0, max = Infinity, std = 1 } = churn;
  const ratio = level.sigma / level.alpha;
  const gamma = ratio >= min && ratio <= max ? Math.min(amount / steps, Math.SQRT2 - 1) : 0;
  if (gamma === 0) return { from: level };
  if (!path.levelFromSigma) throw new RangeError('heun: churn needs a path with `levelFromSigma`');
  const from = path.levelFromSigma(ratio * (1 + gamma));
  const gained = ratio * Math.sqrt((1 + gamma) ** 2 - 1);
  return { from, added: { x: from.alpha / level.alpha, noise: from.alpha * gained * std } };
}

function checkChurn(churn: ChurnOptions, variable: string): void {
  checkOptions('heun: churn', churn, ['amount', 'min', 'max', 'std']);
  if (variable !== 'ratio') throw new RangeError('heun: churn requires the variable "ratio"');
  checkNonNegative('heun: churn.amount', churn.amount);
  checkNonNegative('heun: churn.min', churn.min ?? 0);
  checkPositive('heun: churn.std', churn.std ?? 1);
  const { min = 0, max = Infinity } = churn;
  if (!(max >= min)) throw new RangeError(`heun: churn.max must be at least churn.min, ${min}, got ${max}`);
}
