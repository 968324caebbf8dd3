import { planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

/**
 * Euler's method down to less noise than wanted, and fresh noise up to it: `sample_euler_ancestral` of k-diffusion,
 * with eta 1. In s = sigma / alpha,
 *
 *   s_up^2 = s_t^2 (s_s^2 - s_t^2) / s_s^2,    s_down^2 = s_t^2 - s_up^2.
 */
export function eulerAncestral(): Sampler {
  return {
    name: 'euler-ancestral',
    plan: (path) =>
      planOfSteps(path, (from, to) => {
        const ratio = ratioOfStep(from, to);
        // s_down / s_s = ratio^2 and s_up = s_t sqrt(1 - ratio^2): finite even if s_s is infinite.
        return {
          next: {
            x: (ratio * to.sigma) / from.sigma,
            x0: to.alpha * (1 - ratio ** 2),
            noise: to.sigma * Math.sqrt(1 - ratio ** 2),
          },
        };
      }),
  };
}
