import { checkChoice } from '@dm/ops';
import type { NoiseLevel } from '../levels/level.js';
import { type ChurnOptions, checkChurn, churnedLevel } from './churn.js';
import { checkContiguous, planOf, type Sampler, type Stage } from './sampler.js';

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
  if (churn) {
    if (variable !== 'ratio') throw new RangeError('heun: churn requires the variable "ratio"');
    checkChurn('heun', churn);
  }
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
        const { from, added } = churnedLevel('heun', level, path, steps, churn);
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
