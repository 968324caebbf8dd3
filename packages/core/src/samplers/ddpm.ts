import { checkChoice } from '@dm/ops';
import { cleanLevel } from '../levels/level.js';
import { planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

/**
 * Variances of a DDPM step:
 * - `fixedSmall`: the posterior variance, beta~_t = (1 - abar_{t-1}) / (1 - abar_t) beta_t.
 * - `fixedLarge`: beta_t.
 * - `learnedRange`: the model interpolates between the two in log space.
 */
export const ddpmVariances = ['fixedSmall', 'fixedLarge', 'learnedRange'] as const;

export interface DdpmOptions {
  /** Default `fixedSmall`. */
  readonly variance?: (typeof ddpmVariances)[number];
}

/**
 * DDPM ancestral sampling: Eqs. 6 and 7 of Ho et al. 2020, arXiv:2006.11239. If timesteps are skipped, beta covers the
 * whole step. As in diffusers, the last step adds noise unless it starts at timestep 0; with `fixedSmall` its variance
 * is 0.
 *
 *     let x = path.initialScale * normal();
 *     for (let i = 0; i < steps; i++) {
 *       const [from, to] = [levels[i], levels[i + 1]];
 *       const x0 = denoise(x, from);
 *       const ratio = (from.alpha * to.sigma) / (to.alpha * from.sigma);
 *       const mean = ((ratio * to.sigma) / from.sigma) * x + to.alpha * (1 - ratio ** 2) * x0;
 *       const posterior = to.sigma ** 2 * (1 - ratio ** 2); // fixedSmall
 *       const beta = from.sigma ** 2 * (1 - ratio ** 2); // fixedLarge
 *       // learnedRange: v in [-1, 1] is the second half of the output's channels
 *       const learned = exp(((1 - v) / 2) * log(max(posterior, 1e-20)) + ((1 + v) / 2) * log(max(beta, 1e-20)));
 *       const isNoisy = to.sigma > 0 || (to === cleanLevel && round(from.t) > 0);
 *       x = isNoisy ? mean + sqrt(variance) * normal() : mean; // variance: one of the three
 *     }
 *
 * @throws {RangeError} if the variance is unknown
 */
export function ddpm({ variance = 'fixedSmall' }: DdpmOptions = {}): Sampler {
  checkChoice('ddpm: variance', variance, ddpmVariances);
  return {
    name: 'ddpm',
    plan: (path) =>
      planOfSteps(path, (from, to) => {
        const ratio = ratioOfStep(from, to);
        const posterior = to.sigma ** 2 * (1 - ratio ** 2);
        const beta = from.sigma ** 2 * (1 - ratio ** 2);
        const mean = { x: (ratio * to.sigma) / from.sigma, x0: to.alpha * (1 - ratio ** 2) };
        // Only if t is a timestep, not a flow time or c_noise. Rounded: Karras sigmas have fractional timesteps.
        const noisy = to.sigma > 0 || (to.t === cleanLevel.t && Math.round(from.t) > 0);
        if (variance === 'learnedRange') {
          // diffusers' lower bound: the posterior variance is 0 in the step to the clean image.
          const logVariance = { min: Math.log(Math.max(posterior, 1e-20)), max: Math.log(Math.max(beta, 1e-20)) };
          return { next: { ...mean, noise: noisy ? 1 : 0 }, logVariance };
        }
        const std = Math.sqrt(variance === 'fixedSmall' ? posterior : beta);
        return { next: { ...mean, noise: noisy ? std : 0 } };
      }),
  };
}
