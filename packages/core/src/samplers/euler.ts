import { planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

/**
 * Euler's method on the probability-flow ODE d(x / alpha) / d(sigma / alpha) = epsilon: Algorithm 1 of Karras et al.
 * 2022, arXiv:2206.00364, without the second-order correction. On a flow path it is Euler's method in flow time. Equals
 * `ddim({ eta: 0, useClippedOutput: true })`.
 *
 *     let x = path.initialScale * normal();
 *     for (let i = 0; i < steps; i++) {
 *       const [from, to] = [levels[i], levels[i + 1]];
 *       const x0 = denoise(x, from);
 *       const epsilon = (x - from.alpha * x0) / from.sigma;
 *       x = to.alpha * x0 + to.sigma * epsilon;
 *     }
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
