import { checkInRange } from '@dm/ops';
import { conversion } from '../process/prediction.js';
import { combine, planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

export interface DdimOptions {
  /** 0 is deterministic, 1 adds as much noise as DDPM; in [0, 1], 0 by default. */
  readonly eta?: number;
  /**
   * Take the noise from the clipped x_0 rather than from the model's output, as Ho's code and guided-diffusion do.
   * False by default, as in diffusers. Without clipping there is no difference.
   */
  readonly useClippedOutput?: boolean;
}

/**
 * x_s = alpha_s x_0 + sqrt(sigma_s^2 - std^2) epsilon + std noise. Eqs. 12 and 16 of Song et al. 2021,
 * arXiv:2010.02502.
 * @throws {RangeError} on an eta outside [0, 1]
 */
export function ddim({ eta = 0, useClippedOutput = false }: DdimOptions = {}): Sampler {
  checkInRange('ddim: eta', eta, '[0, 1]');
  return {
    name: 'ddim',
    plan: (path, prediction, options) =>
      planOfSteps(path, (from, to) => {
        const std = eta * to.sigma * Math.sqrt(1 - ratioOfStep(from, to) ** 2);
        const direction = Math.sqrt(to.sigma ** 2 - std ** 2);
        const { x, output } = conversion(prediction, 'epsilon', from, options);
        const epsilon = useClippedOutput ? { x: 1 / from.sigma, x0: -from.alpha / from.sigma } : { x, output };
        return { next: combine([1, { x0: to.alpha, noise: std }], [direction, epsilon]) };
      }),
  };
}
