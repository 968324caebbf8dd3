import { checkChoice, checkNonNegative, checkOptions, checkPositive } from '@dm/ops';
import type { NoiseLevel, NoisePath } from '../levels/level.js';
import { planOf, type Sampler, type Stage } from './sampler.js';

/** Noise added before a step, so that errors of earlier steps are forgotten. Section 4 of arXiv:2206.00364. */
export interface ChurnOptions {
  /** S_churn, the amount over all steps: at least 0. */
  readonly amount: number;
  /** S_min and S_max: only while sigma / alpha is between them; 0 and Infinity by default. */
  readonly min?: number;
  readonly max?: number;
  /** S_noise, the standard deviation of the noise: 1 by default, 1.003 to 1.007 in the paper. */
  readonly std?: number;
}

export interface HeunOptions {
  /**
   * What the ODE is integrated over: `ratio`, sigma / alpha of EDM (default), or `flow`, sigma / (alpha + sigma), the
   * time of rectified flow, which starts at pure noise.
   */
  readonly variable?: 'ratio' | 'flow';
  readonly churn?: ChurnOptions;
}

/**
 * Heun's second-order method: Algorithm 1 (Algorithm 2 with churn) of Karras et al. 2022, arXiv:2206.00364. Two
 * evaluations a step, one in a last step that ends without noise.
 *
 * With y = x / scale and the variable s, dy/ds = (y - x_0) / s.
 * @throws {RangeError} if the path starts at SNR 0 and the variable is `ratio`
 */
export function heun({ variable = 'ratio', churn }: HeunOptions = {}): Sampler {
  checkChoice('heun: variable', variable, ['ratio', 'flow']);
  if (churn) checkChurn(churn, variable);
  const scaleOf = ({ alpha, sigma }: NoiseLevel): number => (variable === 'ratio' ? alpha : alpha + sigma);
  const timeOf = (level: NoiseLevel): number => level.sigma / scaleOf(level);

  return {
    name: 'heun',
    plan(path) {
      const steps = path.levels.length - 1;
      const stages = path.levels.slice(0, -1).flatMap((level, step): Stage[] => {
        if (scaleOf(level) === 0) {
          throw new RangeError(
            'heun: a path that starts at SNR 0 cannot be integrated over sigma / alpha; take the variable "flow"',
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
        // y + (s_t - s_s) / 2 [(y - x_0) / s_s + (y_t - x_0') / s_t]
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

/** The level after churn, and the step to it: x / alpha gains noise of variance s'^2 - s^2. */
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
  if (!path.levelFromSigma) throw new RangeError('heun: this path has no levels between its own, which churn needs');
  const from = path.levelFromSigma(ratio * (1 + gamma));
  const gained = ratio * Math.sqrt((1 + gamma) ** 2 - 1);
  return { from, added: { x: from.alpha / level.alpha, noise: from.alpha * gained * std } };
}

function checkChurn(churn: ChurnOptions, variable: string): void {
  checkOptions('heun: churn', churn, ['amount', 'min', 'max', 'std']);
  if (variable !== 'ratio') throw new RangeError('heun: churn goes with the variable "ratio" only');
  checkNonNegative('heun: churn.amount', churn.amount);
  checkNonNegative('heun: churn.min', churn.min ?? 0);
  checkPositive('heun: churn.std', churn.std ?? 1);
  const { min = 0, max = Infinity } = churn;
  if (!(max >= min)) throw new RangeError(`heun: churn.max must be at least churn.min, ${min}, got ${max}`);
}
