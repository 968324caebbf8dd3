import { checkChoice } from '@dm/ops';
import { halfLogSnr, type NoisePath } from '../levels/level.js';
import { combine, type LinearForm, planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

export interface DpmSolverOptions {
  /** How the last steps of fewer than 15 fall back: `auto` to first order, `never` (if noise remains). */
  readonly lowerOrderFinal?: 'auto' | 'never';
}

/**
 * DPM-Solver++(2M), the data-prediction multistep solver of second order, midpoint form: Algorithm 2 of Lu et al. 2022,
 * arXiv:2211.01095. One evaluation per step. The first step, and a last one that ends without noise, are of first order.
 * @throws {RangeError} on an unknown lowerOrderFinal
 */
export function dpmSolver2M({ lowerOrderFinal = 'auto' }: DpmSolverOptions = {}): Sampler {
  checkChoice('dpmpp-2m: lowerOrderFinal', lowerOrderFinal, ['auto', 'never']);
  return {
    name: 'dpmpp-2m',
    plan: (path) =>
      planOfSteps(
        path,
        (from, to, step) => {
          const ratio = ratioOfStep(from, to); // e^-h, h the growth of lambda = ln(alpha / sigma)
          return {
            next: combine(
              [1, { x: to.sigma / from.sigma }],
              [to.alpha * (1 - ratio), secondOrder(path, step, lowerOrderFinal)],
            ),
            history: { previous: { x0: 1 } },
          };
        },
        ['previous'],
      ),
  };
}

/**
 * SDE-DPM-Solver++(2M): the same for the reverse SDE, with fresh noise at each step. Appendix of arXiv:2211.01095.
 * @throws {RangeError} on an unknown lowerOrderFinal
 */
export function dpmSolver2MSde({ lowerOrderFinal = 'auto' }: DpmSolverOptions = {}): Sampler {
  checkChoice('dpmpp-2m-sde: lowerOrderFinal', lowerOrderFinal, ['auto', 'never']);
  return {
    name: 'dpmpp-2m-sde',
    plan: (path) =>
      planOfSteps(
        path,
        (from, to, step) => {
          const ratio = ratioOfStep(from, to);
          return {
            next: combine(
              [1, { x: (to.sigma / from.sigma) * ratio, noise: to.sigma * Math.sqrt(1 - ratio ** 2) }],
              [to.alpha * (1 - ratio ** 2), secondOrder(path, step, lowerOrderFinal)],
            ),
            history: { previous: { x0: 1 } },
          };
        },
        ['previous'],
      ),
  };
}

/** x_0 carried on to the middle of the step, x_0 + (x_0 - previous) h / (2 h_previous), or x_0 if the step is of first order. */
function secondOrder(path: NoisePath, step: number, lowerOrderFinal: 'auto' | 'never'): LinearForm {
  const { levels } = path;
  const steps = levels.length - 1;
  const last = step === steps - 1;
  const to = levels[step + 1]!;
  if (step === 0 || to.sigma === 0 || (last && lowerOrderFinal === 'auto' && steps < 15)) return { x0: 1 };
  const lambda = halfLogSnr(levels[step]!);
  const h = halfLogSnr(to) - lambda;
  // Infinite after a level of SNR 0, whose x_0 then counts nothing.
  const previousH = lambda - halfLogSnr(levels[step - 1]!);
  const weight = h / (2 * previousH);
  return { x0: 1 + weight, previous: -weight };
}
