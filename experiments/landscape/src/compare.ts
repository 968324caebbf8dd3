/** Compares the loss landscape of the diffusion model with the others, paired by seed. */
import {
  confidenceInterval,
  formatInterval,
  type ConfidenceInterval,
  type StageResults,
  type Table,
} from '@dm/experiments';
import type { LandscapeResult, LandscapeView } from './run-trial.js';
import { roughnessNames, roughnessMeasures, roughnessOf, type RoughnessMeasure } from './roughness.js';

type Results = StageResults<LandscapeResult>;

/** A loss over all timesteps, or of a network: `diffusion`, `gan generator`, ... */
export interface ComparedLoss {
  readonly name: string;
  readonly seeds: readonly { readonly seed: number; readonly view: LandscapeView }[];
}

export function wholeLosses(results: Results): ComparedLoss[] {
  return [...results].flatMap(([arm, trials]) => {
    const names = (trials[0]?.views ?? []).filter(({ isWhole }) => isWhole).map(({ name }) => name);
    return names.map((view) => ({
      name: names.length === 1 ? arm : `${arm} ${view}`,
      seeds: trials.map((trial) => ({ seed: trial.seed, view: trial.views.find(({ name }) => name === view)! })),
    }));
  });
}

/** `Hessian too inexact`: Hessian-vector products depend too much on the step size to compare eigenvalues. */
export type Judgment = 'smoother' | 'rougher' | 'no clear difference' | 'Hessian too inexact' | 'not measured';

/** Maximum relative error of Hessian-vector products, over seeds, for which eigenvalues are compared. */
export const MAX_HESSIAN_ERROR = 0.1;
const hessianMeasures: readonly RoughnessMeasure[] = ['topCurvature', 'negative'];

/** Relative error of Hessian-vector products, maximum over seeds. */
export const hessianError = (loss: ComparedLoss): number =>
  Math.max(...loss.seeds.map(({ view }) => view.spectrum.stepError));

export interface Difference {
  readonly other: string;
  readonly measure: RoughnessMeasure;
  /** Diffusion minus the other, paired by seed. */
  readonly difference: ConfidenceInterval | undefined;
  readonly judgment: Judgment;
}

/** Differences of all measures; not ratios, because some measures are 0. */
export function differences(diffusion: ComparedLoss, other: ComparedLoss): Difference[] {
  return roughnessNames.map((measure) => {
    const values = diffusion.seeds.flatMap(({ seed, view }) => {
      const sameSeed = other.seeds.find((one) => one.seed === seed);
      const [a, b] = [roughnessOf(view)[measure], sameSeed === undefined ? null : roughnessOf(sameSeed.view)[measure]];
      return a === null || b === null ? [] : [a - b];
    });
    const difference = values.length === 0 ? undefined : confidenceInterval(values);
    const isInexact = Math.max(hessianError(diffusion), hessianError(other)) > MAX_HESSIAN_ERROR;
    const judgment =
      hessianMeasures.includes(measure) && isInexact ? 'Hessian too inexact' : judgeDifference(difference);
    return { other: other.name, measure, difference, judgment };
  });
}

function judgeDifference(difference: ConfidenceInterval | undefined): Judgment {
  if (difference?.low === undefined || difference.high === undefined) return 'not measured';
  if (difference.high < 0) return 'smoother';
  return difference.low > 0 ? 'rougher' : 'no clear difference';
}

/** Mean and interval over seeds; undefined if no seed has this measure. */
export function meanOverSeeds(loss: ComparedLoss, measure: RoughnessMeasure): ConfidenceInterval | undefined {
  const values = loss.seeds.flatMap(({ view }) => roughnessOf(view)[measure] ?? []);
  return values.length === 0 ? undefined : confidenceInterval(values);
}

export function roughnessTable(losses: readonly ComparedLoss[]): Table {
  return {
    title: 'Scale-free measures; smaller is smoother',
    columns: [
      'loss',
      'parameters',
      'seeds',
      'loss before, after',
      ...roughnessNames.map((measure) => roughnessMeasures[measure]),
      'error of Hessian-vector products',
    ],
    rows: losses.map((loss) => [
      loss.name,
      String(loss.seeds[0]!.view.parameters),
      String(loss.seeds.length),
      beforeAfter(loss.seeds.map(({ view }) => view)),
      ...roughnessNames.map((measure) => formatOptional(meanOverSeeds(loss, measure))),
      hessianError(loss).toPrecision(2),
    ]),
  };
}

export function differencesTable(found: readonly Difference[]): Table {
  const others = [...new Set(found.map(({ other }) => other))];
  return {
    title: 'Diffusion minus the other, paired by seed',
    columns: ['measure', ...others.map((other) => `minus ${other}`)],
    rows: roughnessNames.map((measure) => [
      roughnessMeasures[measure],
      ...others.map((other) => {
        const one = found.find((each) => each.other === other && each.measure === measure)!;
        return one.difference === undefined ? 'not measured' : `${formatOptional(one.difference)}: ${one.judgment}`;
      }),
    ]),
  };
}

/** The diffusion model's loss per noise range. Each range has its own start and end, and so its own drop. */
export function noiseRangeTable(diffusion: readonly LandscapeResult[]): Table {
  const names = (diffusion[0]?.views ?? []).map(({ name }) => name);
  const shown = ['barrierFromStart', 'riseFromStart', 'barrierToPartner', 'topCurvature', 'negative'] as const;
  return {
    title: 'The diffusion model by noise range',
    columns: [
      'noise',
      'seeds',
      'loss before, after',
      ...shown.map((measure) => roughnessMeasures[measure]),
      'largest eigenvalue',
      'trace',
    ],
    rows: names.map((name) => {
      const views = diffusion.map(({ views: all }) => all.find((view) => view.name === name)!);
      const loss: ComparedLoss = { name, seeds: views.map((view, seed) => ({ seed, view })) };
      return [
        name === 'whole' ? 'all timesteps' : name,
        String(views.length),
        beforeAfter(views),
        ...shown.map((measure) => formatOptional(meanOverSeeds(loss, measure))),
        formatOptional(confidenceInterval(views.map(({ spectrum }) => spectrum.largest[0]!))),
        formatOptional(confidenceInterval(views.map(({ spectrum }) => spectrum.trace))),
      ];
    }),
  };
}

function beforeAfter(views: readonly LandscapeView[]): string {
  return (['start', 'end'] as const)
    .map((which) => formatOptional(confidenceInterval(views.map(({ loss }) => loss[which]))))
    .join(', ');
}

export const formatOptional = (value: ConfidenceInterval | undefined): string =>
  value === undefined ? '' : formatInterval(value);
