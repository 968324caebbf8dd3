import { checkInteger } from '@dm/ops';
import type { NoisePath } from '../levels/level.js';
import { combine, type LinearForm, planOfSteps, type Sampler } from './sampler.js';

export interface LmsOptions {
  /** Number of evaluations that a step uses, 1 to 4. Default 4. */
  readonly order?: number;
}

/**
 * Linear multistep (Adams-Bashforth) method on dy/ds = epsilon, y = x / alpha, s = sigma / alpha: `sample_lms` in
 * k-diffusion, `LMSDiscreteScheduler` in diffusers. One evaluation per step. The interpolating polynomial is integrated
 * exactly.
 *
 *     for (let i = 0; i < steps; i++) {
 *       epsilon[i] = (x - levels[i].alpha * denoise(x, levels[i])) / levels[i].sigma;
 *       // the integral from s[i] to s[i + 1] of the polynomial through the last evaluations, epsilon[k] at s[k]
 *       y += integral(i, [epsilon[i], epsilon[i - 1], ...]);
 *       x = levels[i + 1].alpha * y;
 *     }
 *
 * @throws {RangeError} if order is not an integer from 1 to 4
 */
export function lms({ order = 4 }: LmsOptions = {}): Sampler {
  checkInteger('lms: order', order, 1, 4);
  const history = Array.from({ length: order - 1 }, (_, i) => `epsilon-${i + 1}`);
  return {
    name: 'lms',
    plan: (path) =>
      planOfSteps(
        path,
        (from, to, step) => {
          const epsilon: LinearForm = { x: 1 / from.sigma, x0: -from.alpha / from.sigma };
          const terms = [epsilon, ...history.map((name) => ({ [name]: 1 }))];
          // At SNR 0 y is infinite, but a first-order step is finite in x: to.alpha x_0 + to.sigma epsilon.
          const isFirstOrder = from.alpha === 0 || order === 1 || step === 0;
          const next = isFirstOrder
            ? combine([to.alpha, { x0: 1 }], [to.sigma, epsilon])
            : combine(
                [to.alpha / from.alpha, { x: 1 }],
                ...integralWeights(path, step, order).map((weight, k) => [to.alpha * weight, terms[k]!] as const),
              );
          const kept = history.map((name, k) => [name, terms[k]!] as const);
          return { next, history: Object.fromEntries(kept) };
        },
        history,
      ),
  };
}

/** The weight of each of the last evaluations, newest first, in the integral over the step. */
function integralWeights({ levels }: NoisePath, step: number, order: number): number[] {
  const ratio = (k: number): number => levels[k]!.sigma / levels[k]!.alpha;
  const usable = Array.from({ length: Math.min(order, step + 1) }, (_, k) => ratio(step - k)).filter(Number.isFinite);
  const [from, to] = [ratio(step), ratio(step + 1)];
  return usable.map((node, j) => {
    // Coefficients of the Lagrange polynomial in (s - from), lowest power first.
    let polynomial = [1];
    usable.forEach((other, k) => {
      if (k === j) return;
      const scale = 1 / (node - other);
      const shifted = [0, ...polynomial];
      polynomial = shifted.map((c, power) => scale * (c - (polynomial[power] ?? 0) * (other - from)));
    });
    const length = to - from;
    return polynomial.reduce((sum, c, power) => sum + (c * length ** (power + 1)) / (power + 1), 0);
  });
}
