import { type ChurnOptions, checkChurn, churnedLevel } from './churn.js';
import { planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

export interface EulerOptions {
  /** Fresh noise before each step: Algorithm 2 of Karras et al. 2022, with Euler steps. Default: none. */
  readonly churn?: ChurnOptions;
}

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
 *
 * With churn each step starts at a noisier level, as in `heun`.
 * @throws {RangeError} if an option is out of range; the plan throws if churn is set and the path has no
 * `levelFromSigma`
 */
export function euler({ churn }: EulerOptions = {}): Sampler {
  if (churn) checkChurn('euler', churn);
  return {
    name: 'euler',
    plan(path) {
      const steps = path.levels.length - 1;
      return planOfSteps(path, (level, to) => {
        const { from, added } = churnedLevel('euler', level, path, steps, churn);
        return {
          next: { x: to.sigma / from.sigma, x0: to.alpha * (1 - ratioOfStep(from, to)) },
          ...(added && { level: from, churn: added }),
        };
      });
    },
  };
}
