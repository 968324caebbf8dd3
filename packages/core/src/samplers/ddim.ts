import { checkInRange } from '@dm/ops';
import { conversion } from '../process/prediction.js';
import { combine, planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

export interface DdimOptions {
  /** In [0, 1]: 0 (default) is deterministic, 1 adds as much noise as DDPM. */
  readonly eta?: number;
  /**
   * Compute epsilon from the clipped x_0 instead of the model's output, as guided-diffusion does. Default false, as in
   * diffusers. Without clipping both are the same.
   */
  readonly useClippedOutput?: boolean;
}

/**
 * DDIM: Eqs. 12 and 16 of Song et al. 2021, arXiv:2010.02502.
 *
 *     let x = path.initialScale * normal();
 *     for (let i = 0; i < steps; i++) {
 *       const [from, to] = [levels[i], levels[i + 1]];
 *       const output = model(inputScale * x, from.t);
 *       const x0 = clip(toX0(x, output, from));
 *       const epsilon = useClippedOutput ? (x - from.alpha * x0) / from.sigma : toEpsilon(x, output, from);
 *       const ratio = (from.alpha * to.sigma) / (to.alpha * from.sigma);
 *       const std = eta * to.sigma * sqrt(1 - ratio ** 2);
 *       x = to.alpha * x0 + sqrt(to.sigma ** 2 - std ** 2) * epsilon + std * normal();
 *     }
 *
 * @throws {RangeError} if eta is outside [0, 1]
 */
export function ddim({ eta = 0, useClippedOutput = false }: DdimOptions = {}): Sampler {
  checkInRange('ddim: eta', eta, '[0, 1]');
  return {
    name: 'ddim',
    plan: (path, prediction, options) =>
      planOfSteps(path, (from, to) => {
        const std = eta && eta * to.sigma * Math.sqrt(1 - ratioOfStep(from, to) ** 2);
        const direction = Math.sqrt(to.sigma ** 2 - std ** 2);
        const { x, output } = conversion(prediction, 'epsilon', from, options);
        const epsilon = useClippedOutput ? { x: 1 / from.sigma, x0: -from.alpha / from.sigma } : { x, output };
        return { next: combine([1, { x0: to.alpha, noise: std }], [direction, epsilon]) };
      }),
  };
}
