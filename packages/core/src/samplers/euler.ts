import { planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

/**
 * Euler's method on the probability-flow ODE, d(x/alpha) / d(sigma/alpha) = epsilon(x): Algorithm 2 of Karras et al.
 * 2022, arXiv:2206.00364, without its correction; on a rectified-flow path it is Euler's method in flow time.
 *
 * Without clipping this is DDIM with eta 0. With it, epsilon is computed from the clipped x_0.
 */
export function euler(): Sampler {
  return {
    name: 'euler',
    plan: (path) =>
      planOfSteps(path, (from, to) => ({
        next: { x: to.sigma / from.sigma, x0: to.alpha * (1 - ratioOfStep(from, to)) },
      })),
  };
}
