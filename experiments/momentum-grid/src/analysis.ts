/** From the runs to numbers: best learning rates, their slope against 1 - beta1, speed, and oscillation. */
import {
  confidenceInterval,
  geometricInterval,
  logSpeedup,
  parabolaMinimum,
  tQuantile,
  type ConfidenceInterval,
  type StageResults,
} from '@dm/experiments';
import type { MomentumResult, PathResult } from './run-trial.js';

/** A grid point; `loss` is null if the run diverged. */
export interface GridPoint {
  readonly beta1: number;
  readonly lr: number;
  readonly loss: number | null;
}

export interface BestRate {
  readonly beta1: number;
  /** The learning rate of the grid with the lowest loss. */
  readonly lr: number;
  /** Minimum of the parabola through log loss against log lr at `lr` and its two neighbors. `lr` at an edge. */
  readonly fitted: number;
  /** Whether `lr` is the lowest or highest learning rate of the grid, so that the optimum may be outside. */
  readonly isEdge: boolean;
}

/** The loss after the last step; null if the run diverged or the loss is not finite. */
export function finalLoss({ readings, divergedAt }: MomentumResult, weights: 'raw' | 'ema' = 'ema'): number | null {
  return divergedAt === undefined ? (readings.at(-1)?.[weights] ?? null) : null;
}

export function gridPoints(grid: StageResults<MomentumResult>): GridPoint[] {
  return [...grid.values()].flatMap((results) =>
    results.map((result) => ({
      beta1: result.recipe.optimizer.momentum,
      lr: result.recipe.optimizer.lr,
      loss: finalLoss(result),
    })),
  );
}

/** The best learning rate of every beta1, in the order of beta1. A beta1 whose runs all diverged is missing. */
export function bestRates(points: readonly GridPoint[]): BestRate[] {
  const all = [...new Set(points.map(({ beta1 }) => beta1))].toSorted((a, b) => a - b);
  return all.flatMap((beta1) => {
    const own = points.filter((point) => point.beta1 === beta1).toSorted((a, b) => a.lr - b.lr);
    const losses = own.map(({ loss }) => loss ?? Infinity);
    const lowest = Math.min(...losses);
    if (lowest === Infinity) return [];
    const at = losses.indexOf(lowest);
    const { lr } = own[at]!;
    const isEdge = at === 0 || at === own.length - 1;
    const logLoss = (i: number) => Math.log(losses[i] ?? Infinity);
    // Learning rates are evenly spaced in their logarithm.
    const offset = parabolaMinimum(logLoss(at - 1), logLoss(at), logLoss(at + 1));
    const step = offset === 0 ? 0 : Math.log(lr / own[at - 1]!.lr);
    return [{ beta1, lr, fitted: lr * Math.exp(offset * step), isEdge }];
  });
}

export interface Slope {
  readonly value: number;
  /** 95% interval from the residuals of the line, Student's t with n - 2 degrees of freedom. */
  readonly low: number;
  readonly high: number;
  /** Standard error if each learning rate is known only to its octave: a uniform error of one grid step. */
  readonly gridError: number;
}

/**
 * Least-squares slope of log(best lr) against log(1 - beta1). 1 if the best learning rate is proportional to 1 - beta1, 0
 * if it does not depend on beta1. Optima at the edge of the grid are left out, since they are only bounds. `step` is the
 * grid step, the ratio of neighboring learning rates. Undefined for fewer than three points.
 */
export function compensationSlope(all: readonly BestRate[], step = 2): Slope | undefined {
  const best = all.filter(({ isEdge }) => !isEdge);
  const n = best.length;
  if (n < 3) return undefined;
  const x = best.map(({ beta1 }) => Math.log(1 - beta1));
  const y = best.map(({ fitted }) => Math.log(fitted));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / n;
  const [mx, my] = [mean(x), mean(y)];
  const sxx = x.reduce((sum, value) => sum + (value - mx) ** 2, 0);
  const value = x.reduce((sum, xi, i) => sum + (xi - mx) * (y[i]! - my), 0) / sxx;
  const residual = y.reduce((sum, yi, i) => sum + (yi - my - value * (x[i]! - mx)) ** 2, 0);
  const half = tQuantile(0.975, n - 2) * Math.sqrt(residual / (n - 2) / sxx);
  return { value, low: value - half, high: value + half, gridError: Math.log(step) / Math.sqrt(12 * sxx) };
}

export interface BetaFinals {
  readonly beta1: number;
  readonly lr: number;
  readonly results: readonly MomentumResult[];
}

/** The finals by beta1, ascending. */
export function finalsByBeta(finals: StageResults<MomentumResult>): BetaFinals[] {
  return [...finals.values()]
    .map((results) => {
      const { momentum, lr } = results[0]!.recipe.optimizer;
      return { beta1: momentum, lr, results };
    })
    .toSorted((a, b) => a.beta1 - b.beta1);
}

/** Mean and interval of log(a / b) of a number of each result, paired by seed, as ratios; undefined without pairs. */
export function pairedLogRatio(
  a: BetaFinals,
  b: BetaFinals,
  of: (result: MomentumResult) => number | null | undefined,
): ConfidenceInterval | undefined {
  const logs = a.results.flatMap((result) => {
    const other = b.results.find(({ seed }) => seed === result.seed);
    const [x, y] = [of(result), other && of(other)];
    return x == null || y == null ? [] : [Math.log(x / y)];
  });
  return logs.length === 0 ? undefined : geometricInterval(logs);
}

export interface StepsToValue {
  readonly steps: number;
  /** `atLeast`: the value was not reached within `steps`. `atMost`: it was reached before the first measurement. */
  readonly bound?: 'atLeast' | 'atMost';
}

/** Steps after which the EMA weights reach `target`, by monotone cubic interpolation in the logarithms. */
export function stepsToValue({ readings }: MomentumResult, target: number): StepsToValue | undefined {
  const measured = readings.filter(({ ema }) => ema !== null);
  if (measured.length < 2) return undefined;
  const curve = { images: measured.map(({ step }) => step), metric: measured.map(({ ema }) => ema!) };
  const { value, bound } = logSpeedup(curve, { metric: target, images: 1 });
  if (bound === 'unknown') return undefined;
  return { steps: Math.exp(value), ...(bound !== undefined && { bound }) };
}

/** Steps of each seed of `finals` to the final value of the same seed of `base`. */
export function stepsToBase(finals: BetaFinals, base: BetaFinals): StepsToValue[] {
  return finals.results.flatMap((result) => {
    const other = base.results.find(({ seed }) => seed === result.seed);
    const target = other && finalLoss(other);
    return (target == null ? undefined : stepsToValue(result, target)) ?? [];
  });
}

export type DirectionKind = 'eigenvectors' | 'random';

/** Relative error of Hessian-vector products above which eigenvectors are not used, as in experiment `landscape`. */
const MAX_HESSIAN_ERROR = 0.05;

const isExact = ({ hessianError }: PathResult): boolean => hessianError !== null && hessianError <= MAX_HESSIAN_ERROR;

/** The paths of all seeds whose Hessian-vector products are exact enough. */
const exactPaths = ({ results }: BetaFinals): PathResult[] =>
  results.flatMap(({ path }) => path ?? []).filter((path) => isExact(path));

/** Number of seeds whose oscillation is left out, since their Hessian-vector products are too inexact. */
export const inexactSeeds = ({ results }: BetaFinals): number =>
  results.flatMap(({ path }) => path ?? []).filter((path) => !isExact(path)).length;

/** The largest error of Hessian-vector products over seeds: null if one is not finite, undefined if none is known. */
export function largestHessianError({ results }: BetaFinals): number | null | undefined {
  const errors = results.flatMap(({ path }) => (path === undefined ? [] : [path.hessianError]));
  if (errors.length === 0) return undefined;
  return errors.reduce((most, error) => (most === null || error === null ? null : Math.max(most, error)));
}

/** The most negative autocorrelation, mean over the directions of each seed, with an interval over seeds. */
export function lowestAutocorrelation(finals: BetaFinals, kind: DirectionKind): ConfidenceInterval | undefined {
  return overSeeds(finals, (path) => meanOf(path[kind].map(({ lowest }) => lowest)));
}

/** The same along eigenvectors minus along random directions, paired by seed. */
export function excessOscillation(finals: BetaFinals): ConfidenceInterval | undefined {
  return overSeeds(
    finals,
    (path) => meanOf(path.eigenvectors.map(({ lowest }) => lowest)) - meanOf(path.random.map(({ lowest }) => lowest)),
  );
}

/** Length of the path / distance between its ends: geometric mean over directions and seeds. */
export function lengthRatio(finals: BetaFinals, kind: DirectionKind): number | undefined {
  const ratios = exactPaths(finals).flatMap((path) =>
    path[kind].map(({ lengthRatio: ratio }) => Math.log(ratio ?? Infinity)),
  );
  return ratios.length === 0 ? undefined : Math.exp(meanOf(ratios));
}

function overSeeds(finals: BetaFinals, of: (path: PathResult) => number): ConfidenceInterval | undefined {
  const values = exactPaths(finals).map(of);
  return values.length === 0 ? undefined : confidenceInterval(values);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
