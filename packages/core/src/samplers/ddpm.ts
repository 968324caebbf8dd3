import { checkChoice } from '@dm/ops';
import { planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

/**
 * - `fixedSmall`: the posterior's, beta~_t = (1 - abar_{t-1}) / (1 - abar_t) beta_t.
 * - `fixedLarge`: beta_t itself.
 * - `learnedRange`: between the two, in the logarithm, as the model says.
 */
export const ddpmVariances = ['fixedSmall', 'fixedLarge', 'learnedRange'] as const;

export interface DdpmOptions {
  /** `fixedSmall` by default. */
  readonly variance?: (typeof ddpmVariances)[number];
}

/**
 * Ancestral sampling: x_{t-1} ~ N(mu(x_t, x_0), variance), Eqs. 6 and 7 of Ho et al. 2020, arXiv:2006.11239. If
 * steps are skipped, beta_t covers the whole step, 1 - abar_t / abar_s. A step that ends without noise adds none.
 * @throws {RangeError} on an unknown variance
 */
export function ddpm({ variance = 'fixedSmall' }: DdpmOptions = {}): Sampler {
  checkChoice('ddpm: variance', variance, ddpmVariances);
  return {
    name: 'ddpm',
    plan: (path) =>
      planOfSteps(path, (from, to) => {
        const ratio = ratioOfStep(from, to);
        const posterior = to.sigma ** 2 * (1 - ratio ** 2);
        const beta = from.sigma ** 2 - ((from.alpha / to.alpha) * to.sigma) ** 2;
        const mean = { x: (ratio * to.sigma) / from.sigma, x0: to.alpha * (1 - ratio ** 2) };
        const noisy = to.sigma > 0;
        if (variance === 'learnedRange') {
          // The posterior's variance is 0 in a last step; its logarithm is not used there, only kept finite.
          const logVariance = { min: Math.log(Math.max(posterior, 1e-20)), max: Math.log(beta) };
          return { next: { ...mean, noise: noisy ? 1 : 0 }, logVariance };
        }
        const std = Math.sqrt(variance === 'fixedSmall' ? posterior : beta);
        return { next: { ...mean, noise: noisy ? std : 0 } };
      }),
  };
}
