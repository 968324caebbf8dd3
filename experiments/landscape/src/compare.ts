/** Compares the denoiser's loss landscape with those of the other tasks, paired by seed. */
import { geometricInterval, holm, pValue, type ConfidenceInterval, type StageResults } from '@dm/experiments';
import { isSpectral, measuresOf, primaryNames, type PrimaryMeasure } from './measures.js';
import type { LandscapeResult, LandscapeView } from './run-trial.js';

/** The landscapes of a task or noise range, one per seed. */
export interface TaskViews {
  readonly name: string;
  readonly seeds: readonly { readonly seed: number; readonly view: LandscapeView }[];
}

/** The whole loss of each task, restricted to seeds with which all of them are finished. */
export function wholeLosses(results: StageResults<LandscapeResult>): TaskViews[] {
  const arms = [...results];
  const isShared = (seed: number) => arms.every(([, trials]) => trials.some((trial) => trial.seed === seed));
  return arms.map(([name, trials]) => ({
    name,
    seeds: trials.filter(({ seed }) => isShared(seed)).map(({ seed, views }) => ({ seed, view: views[0]! })),
  }));
}

/** Relative error of Hessian-vector products below which eigenvalues are compared; set in advance. */
export const MAX_HESSIAN_ERROR = 0.05;

/** Relative error of a run's Hessian-vector products when the step is changed. */
const errorOf = ({ spectrum }: LandscapeView): number => Math.max(spectrum.stepError, spectrum.eigenvectorError);

/** The largest error over the seeds. */
export const hessianError = ({ seeds }: TaskViews): number => Math.max(...seeds.map(({ view }) => errorOf(view)));

/** Seeds with which the Hessian-vector products are too inexact to compare eigenvalues. */
export const inexactSeeds = ({ seeds }: TaskViews): readonly number[] =>
  seeds.filter(({ view }) => !(errorOf(view) < MAX_HESSIAN_ERROR)).map(({ seed }) => seed);

/** A measure of another task divided by the denoiser's: geometric mean over seeds, and its 95% interval. */
export interface Comparison {
  readonly other: string;
  readonly measure: PrimaryMeasure;
  /** Above 1: the denoiser is smoother. Undefined if a value is not positive with some seed. */
  readonly ratio?: ConfidenceInterval;
  /** For eigenvalues that Lanczos does not resolve: the ratio to the denoiser's `negativityBound`. */
  readonly bound?: ConfidenceInterval;
  /** Two-sided p-value of the ratio 1 (Student's t on paired logarithms), if there is more than one seed. */
  readonly p?: number;
  /** `p` adjusted by Holm's method over all comparisons. */
  readonly adjusted?: number;
}

/**
 * All primary comparisons. Eigenvalues are compared only with seeds for which both runs have exact products. A comparison
 * without a ratio counts in Holm's correction with p = 1.
 */
export function comparisons(denoiser: TaskViews, others: readonly TaskViews[]): Comparison[] {
  const found = others.flatMap((other) =>
    primaryNames.map((measure): Comparison => {
      const inexact = isSpectral[measure] ? [...inexactSeeds(denoiser), ...inexactSeeds(other)] : [];
      const logsTo = (base: PrimaryMeasure | 'negativityBound') =>
        denoiser.seeds.flatMap(({ seed, view }) => {
          if (inexact.includes(seed)) return [];
          const paired = other.seeds.find((one) => one.seed === seed)!.view;
          return [Math.log(measuresOf(paired)[measure] / measuresOf(view)[base])];
        });
      const logs = logsTo(measure);
      const same = { other: other.name, measure };
      if (logs.length === 0 || !logs.every(Number.isFinite)) return same;
      return {
        ...same,
        ratio: geometricInterval(logs),
        ...(measure === 'negativity' && { bound: geometricInterval(logsTo('negativityBound')) }),
        ...(logs.length > 1 && { p: pOf(logs) }),
      };
    }),
  );
  const adjusted = holm(found.map(({ p }) => p ?? 1));
  return found.map((one, i) => (one.p === undefined ? one : { ...one, adjusted: adjusted[i]! }));
}

/** Two-sided p-value of mean 0. */
function pOf(values: readonly number[]): number {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return pValue({ value: mean, standardError: Math.sqrt(variance / n), df: n - 1 });
}

/** Number of seeds whose most negative eigenvalue is smaller than its residual, so that even its sign is not certain. */
export const unresolvedSeeds = ({ seeds }: TaskViews): number =>
  seeds.filter(({ view: { spectrum } }) => spectrum.residuals.smallest > Math.abs(spectrum.smallest[0]!)).length;

/** Geometric mean of a measure over seeds; undefined if there are none, or a value is not positive. */
export function measureOverSeeds({ seeds }: TaskViews, measure: PrimaryMeasure): ConfidenceInterval | undefined {
  const logs = seeds.map(({ view }) => Math.log(measuresOf(view)[measure]));
  return logs.length === 0 || !logs.every(Number.isFinite) ? undefined : geometricInterval(logs);
}

/** The noise ranges of the denoiser, with the seeds with which they were measured. */
export function noiseRanges(denoiser: readonly LandscapeResult[]): TaskViews[] {
  const measured = denoiser.filter(({ views }) => views.length > 1);
  return (measured[0]?.views ?? []).map(({ name }, k) => ({
    name: name === 'whole' ? 'all timesteps' : name,
    seeds: measured.map(({ seed, views }) => ({ seed, view: views[k]! })),
  }));
}
