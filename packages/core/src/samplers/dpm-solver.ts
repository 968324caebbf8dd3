import { checkChoice } from '@dm/ops';
import { halfLogSnr, type NoisePath } from '../levels/level.js';
import { combine, type LinearForm, planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

export interface DpmSolverOptions {
  /**
   * `auto` (default): the last step is first order if there are fewer than 15 steps. `never`: only if it ends without
   * noise.
   */
  readonly lowerOrderFinal?: 'auto' | 'never';
}

/**
 * DPM-Solver++(2M), the second-order multistep solver in data prediction, midpoint form: Algorithm 2 of Lu et al. 2022,
 * arXiv:2211.01095. One evaluation per step.
 *
 *     let [x, previous] = [path.initialScale * normal(), 0];
 *     for (let i = 0; i < steps; i++) {
 *       const [from, to] = [levels[i], levels[i + 1]];
 *       const x0 = denoise(x, from);
 *       const h = halfLogSnr(to) - halfLogSnr(from);
 *       const isLowOrderEnd = i === steps - 1 && lowerOrderFinal === 'auto' && steps < 15;
 *       const isFirstOrder = i === 0 || to.sigma === 0 || isLowOrderEnd;
 *       const weight = isFirstOrder ? 0 : h / (2 * (halfLogSnr(from) - halfLogSnr(levels[i - 1])));
 *       const midpoint = x0 + weight * (x0 - previous);
 *       x = (to.sigma / from.sigma) * x + to.alpha * (1 - exp(-h)) * midpoint;
 *       previous = x0;
 *     }
 *
 * @throws {RangeError} if lowerOrderFinal is unknown
 */
export function dpmSolver2M({ lowerOrderFinal = 'auto' }: DpmSolverOptions = {}): Sampler {
  checkChoice('dpmpp-2m: lowerOrderFinal', lowerOrderFinal, ['auto', 'never']);
  return {
    name: 'dpmpp-2m',
    plan: (path) =>
      planOfSteps(
        path,
        (from, to, step) => {
          const ratio = ratioOfStep(from, to); // exp(-h)
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
 * SDE-DPM-Solver++(2M): the same solver for the reverse SDE. Appendix of Lu et al. 2022, arXiv:2211.01095. The loop of
 * `dpmSolver2M` with another update of x:
 *
 *     x = (to.sigma / from.sigma) * exp(-h) * x + to.alpha * (1 - exp(-2 * h)) * midpoint;
 *     x += to.sigma * sqrt(1 - exp(-2 * h)) * normal();
 *
 * @throws {RangeError} if lowerOrderFinal is unknown
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

/** x_0 extrapolated to the middle of the step, x_0 + (x_0 - previous) h / (2 h_previous); x_0 in a first-order step. */
function secondOrder(path: NoisePath, step: number, lowerOrderFinal: 'auto' | 'never'): LinearForm {
  const { levels } = path;
  const steps = levels.length - 1;
  const last = step === steps - 1;
  const to = levels[step + 1]!;
  if (step === 0 || to.sigma === 0 || (last && lowerOrderFinal === 'auto' && steps < 15)) return { x0: 1 };
  const lambda = halfLogSnr(levels[step]!);
  const h = halfLogSnr(to) - lambda;
  // Infinite after a level at SNR 0, which makes the weight 0.
  const previousH = lambda - halfLogSnr(levels[step - 1]!);
  const weight = h / (2 * previousH);
  return { x0: 1 + weight, previous: -weight };
}
