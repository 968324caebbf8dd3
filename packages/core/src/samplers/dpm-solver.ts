import { checkChoice, checkNonNegative } from '@dm/ops';
import { halfLogSnr, type NoisePath } from '../levels/level.js';
import { combine, type LinearForm, planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

export interface DpmSolverOptions {
  /**
   * `auto` (default): with fewer than 15 steps the last step is first order, and the one before it at most second.
   * `never`: only a step that ends without noise is first order.
   */
  readonly lowerOrderFinal?: 'auto' | 'never';
  /** Make the last step first order in any case (diffusers' `euler_at_final`). Default false. */
  readonly eulerAtFinal?: boolean;
  /** The form of a second-order step: `midpoint` (default) or `heun`, (e^-h - 1) / h + 1 in place of (1 - e^-h) / 2. */
  readonly solverType?: (typeof dpmSolverTypes)[number];
}

/** The values of `solverType` of DPM-Solver++. */
export const dpmSolverTypes = ['midpoint', 'heun'] as const;

export interface SdeOptions {
  /** Fresh noise: 0 solves the ODE, 1 (default) the reverse SDE. */
  readonly eta?: number;
  /** Standard deviation of the fresh noise, at least 0 (s_noise in k-diffusion). Default 1. */
  readonly noiseStd?: number;
}

/**
 * DPM-Solver++(2M), the second-order multistep solver in data prediction: Algorithm 2 of Lu et al. 2022,
 * arXiv:2211.01095. One evaluation per step.
 *
 *     let [x, previous] = [path.initialScale * normal(), 0];
 *     for (let i = 0; i < steps; i++) {
 *       const [from, to] = [levels[i], levels[i + 1]];
 *       const x0 = denoise(x, from);
 *       const h = halfLogSnr(to) - halfLogSnr(from);
 *       const isLowOrderEnd = i === steps - 1 && (eulerAtFinal || (lowerOrderFinal === 'auto' && steps < 15));
 *       const isFirstOrder = i === 0 || to.sigma === 0 || isLowOrderEnd;
 *       const weight = isFirstOrder ? 0 : h / (2 * (halfLogSnr(from) - halfLogSnr(levels[i - 1])));
 *       const midpoint = x0 + weight * (x0 - previous);
 *       x = (to.sigma / from.sigma) * x + to.alpha * (1 - exp(-h)) * midpoint;
 *       previous = x0;
 *     }
 *
 * @throws {RangeError} if an option is unknown
 */
export function dpmSolver2M(options: DpmSolverOptions = {}): Sampler {
  return multistep('dpmpp-2m', 2, { ...options, eta: 0 });
}

/**
 * DPM-Solver++(3M), of third order: `DPMSolverMultistepScheduler` of diffusers with `solver_order` 3. The loop of
 * `dpmSolver2M`; from the third step on, with h[i] the h of step i, r = h[i - 1] / h, q = h[i - 2] / h:
 *
 *       const [d0, d1] = [(x0[i] - x0[i - 1]) / r, (x0[i - 1] - x0[i - 2]) / q];
 *       const [slope, curvature] = [d0 + (r / (r + q)) * (d0 - d1), (d0 - d1) / (r + q)];
 *       const phi2 = (exp(-h) - 1) / h + 1;
 *       const phi3 = phi2 / h - 1 / 2;
 *       x = (to.sigma / from.sigma) * x + to.alpha * ((1 - exp(-h)) * x0[i] + phi2 * slope - phi3 * curvature);
 *
 * @throws {RangeError} if an option is unknown
 */
export function dpmSolver3M(options: DpmSolverOptions = {}): Sampler {
  return multistep('dpmpp-3m', 3, { ...options, eta: 0 });
}

/**
 * SDE-DPM-Solver++(2M): the same solver for the reverse SDE. Appendix of Lu et al. 2022, arXiv:2211.01095. The loop of
 * `dpmSolver2M` with another update of x:
 *
 *     x = (to.sigma / from.sigma) * exp(-eta * h) * x + to.alpha * (1 - exp(-(1 + eta) * h)) * midpoint;
 *     x += noiseStd * to.sigma * sqrt(1 - exp(-2 * eta * h)) * normal();
 *
 * @throws {RangeError} if an option is unknown or out of range
 */
export function dpmSolver2MSde(options: DpmSolverOptions & SdeOptions = {}): Sampler {
  return multistep('dpmpp-2m-sde', 2, options);
}

/**
 * SDE-DPM-Solver++(3M): `sample_dpmpp_3m_sde` of k-diffusion. The loop of `dpmSolver3M` with (1 + eta) h in place of h in
 * all terms but r and q, second-order steps in the form `heun`, and the noise of `dpmSolver2MSde`.
 * @throws {RangeError} if an option is out of range
 */
export function dpmSolver3MSde(options: SdeOptions = {}): Sampler {
  return multistep('dpmpp-3m-sde', 3, { ...options, lowerOrderFinal: 'never', solverType: 'heun' });
}

function multistep(name: string, order: 2 | 3, options: DpmSolverOptions & SdeOptions): Sampler {
  const { lowerOrderFinal = 'auto', eulerAtFinal = false, solverType = 'midpoint', eta = 1, noiseStd = 1 } = options;
  checkChoice(`${name}: lowerOrderFinal`, lowerOrderFinal, ['auto', 'never']);
  checkChoice(`${name}: eulerAtFinal`, eulerAtFinal, [true, false]);
  checkChoice(`${name}: solverType`, solverType, dpmSolverTypes);
  checkNonNegative(`${name}: eta`, eta);
  checkNonNegative(`${name}: noiseStd`, noiseStd);
  const resolved = { lowerOrderFinal, eulerAtFinal, solverType };
  return {
    name,
    plan: (path) =>
      planOfSteps(
        path,
        (from, to, step) => {
          const ratio = ratioOfStep(from, to); // exp(-h)
          const std = noiseStd * to.sigma * Math.sqrt(1 - ratio ** (2 * eta));
          const stepOrder = orderOf(path, step, order, resolved);
          const isMidpoint = stepOrder === 2 && solverType === 'midpoint';
          return {
            next: combine(
              [1, { x: (to.sigma / from.sigma) * ratio ** eta, ...(std > 0 && { noise: std }) }],
              [to.alpha * (1 - ratio ** (1 + eta)), isMidpoint ? midpoint(path, step) : { x0: 1 }],
              [to.alpha, stepOrder === 1 || isMidpoint ? {} : extrapolation(path, step, stepOrder, eta)],
            ),
            history: { previous: { x0: 1 }, ...(order === 3 && { 'previous-2': { previous: 1 } }) },
          };
        },
        order === 3 ? ['previous', 'previous-2'] : ['previous'],
      ),
  };
}

/**
 * The order of a step: lower at the start, at the end, in a step without length, and after a level at SNR 0, whose h is
 * infinite.
 */
function orderOf(
  { levels }: NoisePath,
  step: number,
  order: number,
  { lowerOrderFinal, eulerAtFinal }: Pick<Required<DpmSolverOptions>, 'lowerOrderFinal' | 'eulerAtFinal'>,
): number {
  const steps = levels.length - 1;
  const left = steps - step;
  const isLowered = lowerOrderFinal === 'auto' && steps < 15;
  const [from, to] = [levels[step]!, levels[step + 1]!];
  if (to.sigma === 0 || ratioOfStep(from, to) === 1 || (left === 1 && (eulerAtFinal || isLowered))) return 1;
  const usable = levels.slice(0, step).filter(({ alpha }) => alpha > 0).length;
  return Math.min(order, usable + 1, isLowered ? left : order);
}

/** x_0 extrapolated to the middle of the step, x_0 + (x_0 - previous) h / (2 h_previous). */
function midpoint({ levels }: NoisePath, step: number): LinearForm {
  const lambda = halfLogSnr(levels[step]!);
  const h = halfLogSnr(levels[step + 1]!) - lambda;
  const weight = h / (2 * (lambda - halfLogSnr(levels[step - 1]!)));
  return { x0: 1 + weight, previous: -weight };
}

/** The terms beyond the first order of a step of order 2 (`heun`) or 3, divided by to.alpha. */
function extrapolation({ levels }: NoisePath, step: number, order: number, eta: number): LinearForm {
  const lambda = (k: number): number => halfLogSnr(levels[k]!);
  const h = lambda(step + 1) - lambda(step);
  const hEta = h * (1 + eta);
  const phi2 = Math.expm1(-hEta) / hEta + 1;
  const r = (lambda(step) - lambda(step - 1)) / h;
  const d0 = { x0: 1 / r, previous: -1 / r };
  if (order === 2) return combine([phi2, d0]);
  const phi3 = phi2 / hEta - 0.5;
  const q = (lambda(step - 1) - lambda(step - 2)) / h;
  const d1 = { previous: 1 / q, 'previous-2': -1 / q };
  return combine([phi2, d0], [(phi2 * r - phi3) / (r + q), combine([1, d0], [-1, d1])]);
}
