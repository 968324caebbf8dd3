import { checkChoice, checkInteger } from '@dm/ops';
import { halfLogSnr, type NoisePath } from '../levels/level.js';
import { combine, type LinearForm, planOfSteps, ratioOfStep, type Sampler } from './sampler.js';

export interface UniPcOptions {
  /** 1, 2 (default) or 3. The paper uses 3 for unguided models. */
  readonly order?: number;
  /** B(h) of the paper: `bh2` (default), e^h - 1, or `bh1`, h, which the paper recommends for few unguided steps. */
  readonly solverType?: (typeof uniPcTypes)[number];
  /** Steps, from 0, after which the corrector is not applied (`disable_corrector` in diffusers). Default: none. */
  readonly disableCorrector?: readonly number[];
}

/** The values of `solverType` of UniPC. */
export const uniPcTypes = ['bh1', 'bh2'] as const;

/**
 * UniPC with data prediction: Algorithms 1 to 4 of Zhao et al. 2023, arXiv:2302.04867. One
 * evaluation per step, used by the corrector of the step before it and by the predictor of the next one. p(i) is the
 * order of step i: `order`, or less at the start, at the end, and after a level at SNR 0. With `bh1` the corrector is not
 * applied to a step from SNR 0, whose B(h) is infinite.
 *
 *     let [x, corrected] = [path.initialScale * normal(), 0];
 *     for (let i = 0; i < steps; i++) {
 *       x0[i] = denoise(x, levels[i]);
 *       corrected = i === 0 ? x : update(corrected, i - 1, [i - 2, ..., i - p(i - 1), i]); // UniC, p(i - 1) nodes
 *       x = update(corrected, i, [i - 1, ..., i - p(i) + 1]); // UniP, p(i) - 1 nodes
 *     }
 *     function update(x, i, nodes) {
 *       const [from, to, h] = [levels[i], levels[i + 1], halfLogSnr(levels[i + 1]) - halfLogSnr(levels[i])];
 *       const r = nodes.map((n) => (halfLogSnr(levels[n]) - halfLogSnr(from)) / h);
 *       const w = solve(vandermonde(r), b(h)); // order conditions; 1/2 for a single node
 *       const slope = sum over nodes of (w[k] / r[k]) * (x0[nodes[k]] - x0[i]);
 *       const B = solverType === 'bh1' ? h : 1 - exp(-h); // b(h) is divided by it
 *       return (to.sigma / from.sigma) * x + to.alpha * ((1 - exp(-h)) * x0[i] + B * slope);
 *     }
 *
 * @throws {RangeError} if order is not 1, 2 or 3, or another option is invalid; `plan` if a step has no length
 */
export function uniPc({ order = 2, solverType = 'bh2', disableCorrector = [] }: UniPcOptions = {}): Sampler {
  checkInteger('unipc: order', order, 1, 3);
  checkChoice('unipc: solverType', solverType, uniPcTypes);
  disableCorrector.forEach((step, i) => checkInteger(`unipc: disableCorrector[${i}]`, step, 0));
  // The corrected x of the last step, and the x_0 of earlier steps: "x0-1" is the most recent.
  const history = ['corrected', ...Array.from({ length: order }, (_, i) => `x0-${i + 1}`)];
  return {
    name: 'unipc',
    plan: (path) =>
      planOfSteps(
        path,
        (_from, _to, step) => {
          const isFinite = solverType === 'bh2' || path.levels[step - 1]?.alpha !== 0; // B(h) at SNR 0
          const isCorrected = step > 0 && isFinite && !disableCorrector.includes(step - 1);
          const corrected: LinearForm = isCorrected
            ? correct(path, step, orderAt(path, step - 1, order), solverType)
            : { x: 1 };
          const predicted = predict(path, step, orderAt(path, step, order), corrected, solverType);
          const shifted = Array.from({ length: order }, (_, i) => [`x0-${i + 1}`, outputOf(i)] as const);
          return { next: predicted, history: { corrected, ...Object.fromEntries(shifted) } };
        },
        history,
      ),
  };
}

type UniPcType = (typeof uniPcTypes)[number];

/** The x_0 of `ago` steps before the current one. */
const outputOf = (ago: number): LinearForm => (ago === 0 ? { x0: 1 } : { [`x0-${ago}`]: 1 });

/** The order of a step: lower at the start, at the end, and just after a level at SNR 0, whose lambda is infinite. */
function orderAt({ levels }: NoisePath, step: number, order: number): number {
  const usable = levels.slice(0, step).filter((level) => level.alpha > 0).length;
  return Math.min(order, levels.length - 1 - step, usable + 1);
}

/** UniP: the x at level `step` + 1, from `x` and the current evaluation, both at level `step`. */
function predict(path: NoisePath, step: number, order: number, x: LinearForm, type: UniPcType): LinearForm {
  const { ratio, from, to, b, r, scale } = stepOf(path, step, order, type);
  const weights = order === 2 ? [0.5] : solve(vandermonde(r.slice(0, order - 1)), b.slice(0, order - 1));
  const base = outputOf(0);
  return combine(
    [to.sigma / from.sigma, x],
    [to.alpha * (1 - ratio), base],
    ...r
      .slice(0, order - 1)
      .map((rk, i) => [(to.alpha * scale * weights[i]!) / rk, difference(outputOf(i + 1), base)] as const),
  );
}

/** UniC: recomputes the x at `step` from the corrected x at `step` - 1, using the evaluation at `step`. */
function correct(path: NoisePath, step: number, order: number, type: UniPcType): LinearForm {
  const { ratio, from, to, b, r, scale } = stepOf(path, step - 1, order, type);
  const weights = order === 1 ? [0.5] : solve(vandermonde(r), b);
  const base = outputOf(1);
  return combine(
    [to.sigma / from.sigma, { corrected: 1 }],
    [to.alpha * (1 - ratio), base],
    ...r.map(
      (rk, i) =>
        [
          (to.alpha * scale * weights[i]!) / rk,
          // The last node, r = 1, is the current evaluation.
          difference(i === order - 1 ? outputOf(0) : outputOf(i + 2), base),
        ] as const,
    ),
  );
}

/**
 * The step from level `step`: `ratio` = exp(-h), the nodes r_k = (lambda_k - lambda_step) / h of earlier evaluations
 * followed by 1, and the right-hand side b of the order conditions (Theorem 3.1 of the paper).
 */
function stepOf({ levels }: NoisePath, step: number, order: number, type: UniPcType) {
  const from = levels[step]!;
  const to = levels[step + 1]!;
  const lambda = halfLogSnr(from);
  const h = halfLogSnr(to) - lambda;
  const ratio = ratioOfStep(from, to);
  if (ratio === 1)
    throw new RangeError(`unipc: step ${step} starts and ends at the same noise level; use the final level "clean"`);
  const before = Array.from({ length: order - 1 }, (_, i) => (halfLogSnr(levels[step - 1 - i]!) - lambda) / h);
  const hh = -h;
  // -B(-h); the right-hand side b is divided by B.
  const scale = type === 'bh1' ? h : 1 - ratio;
  const divisor = type === 'bh1' ? hh : Math.expm1(hh);
  const b: number[] = [];
  let phi = Math.expm1(hh) / hh - 1;
  let factorial = 1;
  for (let i = 1; i <= order; i++) {
    b.push((phi * factorial) / divisor);
    factorial *= i + 1;
    phi = phi / hh - 1 / factorial;
  }
  return { from, to, ratio, r: [...before, 1], b, scale };
}

const difference = (a: LinearForm, b: LinearForm): LinearForm => combine([1, a], [-1, b]);

/** Row i is nodes^i. */
const vandermonde = (nodes: readonly number[]): number[][] => nodes.map((_, i) => nodes.map((node) => node ** i));

/** Solves a small square system by Gaussian elimination with partial pivoting. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const n = right.length;
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  for (let k = 0; k < n; k++) {
    const pivot = rows.reduce((best, row, i) => (i > k && Math.abs(row[k]!) > Math.abs(rows[best]![k]!) ? i : best), k);
    [rows[k], rows[pivot]] = [rows[pivot]!, rows[k]!];
    for (let i = k + 1; i < n; i++) {
      const factor = rows[i]![k]! / rows[k]![k]!;
      for (let j = k; j <= n; j++) rows[i]![j]! -= factor * rows[k]![j]!;
    }
  }
  const solution = Array<number>(n).fill(0);
  for (let k = n - 1; k >= 0; k--) {
    let value = rows[k]![n]!;
    for (let j = k + 1; j < n; j++) value -= rows[k]![j]! * solution[j]!;
    solution[k] = value / rows[k]![k]!;
  }
  return solution;
}
