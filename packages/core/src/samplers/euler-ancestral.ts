import { planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

/**
 * Ancestral sampling with Euler steps: each step goes below the next noise level, then adds fresh noise up to it.
 * `sample_euler_ancestral` in k-diffusion, with eta 1.
 *
 *     let y = path.initialScale * normal() / levels[0].alpha; // x / alpha; its noise level is s = sigma / alpha
 *     for (let i = 0; i < steps; i++) {
 *       const [from, to] = [levels[i], levels[i + 1]];
 *       const [s, sNext] = [from.sigma / from.alpha, to.sigma / to.alpha];
 *       const sUp = sqrt((sNext ** 2 * (s ** 2 - sNext ** 2)) / s ** 2);
 *       const sDown = sqrt(sNext ** 2 - sUp ** 2);
 *       const x0 = denoise(from.alpha * y, from);
 *       y += ((y - x0) / s) * (sDown - s);
 *       y += sUp * normal();
 *     }
 */
export function eulerAncestral(): Sampler {
  return {
    name: 'euler-ancestral',
    plan: (path) =>
      planOfSteps(path, (from, to) => {
        const ratio = ratioOfStep(from, to);
        // Written for x, with sDown / s = ratio^2 and sUp = sNext sqrt(1 - ratio^2): finite even if s is infinite.
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
