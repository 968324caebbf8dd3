/** The diffusion model beside the others, seed by seed. */
import { interval, intervalText, type Interval, type StageResults, type Table } from '@dm/experiments';
import type { LandscapeResult, View } from './measure.js';
import { measureNames, measures, numbersOf, type Measure } from './numbers.js';

type Results = StageResults<LandscapeResult>;

/** A loss that is looked at whole: `diffusion`, `gan generator`, ... */
export interface Loss {
  readonly name: string;
  readonly seeds: readonly { readonly seed: number; readonly view: View }[];
}

export function wholeLosses(results: Results): Loss[] {
  return [...results].flatMap(([arm, trials]) => {
    const names = (trials[0]?.views ?? []).filter(({ isWhole }) => isWhole).map(({ name }) => name);
    return names.map((view) => ({
      name: names.length === 1 ? arm : `${arm} ${view}`,
      seeds: trials.map((trial) => ({ seed: trial.seed, view: trial.views.find(({ name }) => name === view)! })),
    }));
  });
}

/** `Hessian too inexact`: its products differ too much between steps for the eigenvalues to be compared. */
export type Judgment = 'smoother' | 'rougher' | 'no clear difference' | 'Hessian too inexact' | 'not measured';

/** Relative error of the products with the Hessian, at any seed, above which its eigenvalues are not compared. */
export const MAX_HESSIAN_ERROR = 0.1;
const ofHessian: readonly Measure[] = ['topCurvature', 'negative'];

/** The largest over seeds. */
export const hessianError = (loss: Loss): number => Math.max(...loss.seeds.map(({ view }) => view.spectrum.stepError));

export interface Difference {
  readonly other: string;
  readonly measure: Measure;
  /** Diffusion minus the other, seed by seed. */
  readonly difference: Interval | undefined;
  readonly judgment: Judgment;
}

/** Differences and not ratios: some of these numbers are 0. */
export function differences(diffusion: Loss, other: Loss): Difference[] {
  return measureNames.map((measure) => {
    const values = diffusion.seeds.flatMap(({ seed, view }) => {
      const twin = other.seeds.find((one) => one.seed === seed);
      const [a, b] = [numbersOf(view)[measure], twin === undefined ? null : numbersOf(twin.view)[measure]];
      return a === null || b === null ? [] : [a - b];
    });
    const difference = values.length === 0 ? undefined : interval(values);
    const isInexact = Math.max(hessianError(diffusion), hessianError(other)) > MAX_HESSIAN_ERROR;
    const judgment = ofHessian.includes(measure) && isInexact ? 'Hessian too inexact' : judged(difference);
    return { other: other.name, measure, difference, judgment };
  });
}

function judged(difference: Interval | undefined): Judgment {
  if (difference?.low === undefined || difference.high === undefined) return 'not measured';
  if (difference.high < 0) return 'smoother';
  return difference.low > 0 ? 'rougher' : 'no clear difference';
}

/** Mean and interval over seeds; undefined where no seed has the number. */
export function over(loss: Loss, measure: Measure): Interval | undefined {
  const values = loss.seeds.flatMap(({ view }) => numbersOf(view)[measure] ?? []);
  return values.length === 0 ? undefined : interval(values);
}

export function numbersTable(losses: readonly Loss[]): Table {
  return {
    title: 'Numbers without the scale of the loss; smaller is smoother',
    columns: [
      'loss',
      'parameters',
      'seeds',
      'loss before, after',
      ...measureNames.map((measure) => measures[measure]),
      'error of Hessian products',
    ],
    rows: losses.map((loss) => [
      loss.name,
      String(loss.seeds[0]!.view.parameters),
      String(loss.seeds.length),
      beforeAfter(loss.seeds.map(({ view }) => view)),
      ...measureNames.map((measure) => text(over(loss, measure))),
      hessianError(loss).toPrecision(2),
    ]),
  };
}

export function differencesTable(found: readonly Difference[]): Table {
  const others = [...new Set(found.map(({ other }) => other))];
  return {
    title: 'Diffusion minus the other, seed by seed',
    columns: ['measure', ...others.map((other) => `minus ${other}`)],
    rows: measureNames.map((measure) => [
      measures[measure],
      ...others.map((other) => {
        const one = found.find((each) => each.other === other && each.measure === measure)!;
        return one.difference === undefined ? 'not measured' : `${text(one.difference)}: ${one.judgment}`;
      }),
    ]),
  };
}

/** The diffusion model's loss in each range of noise: its own start and end, so its own drop. */
export function bucketTable(diffusion: readonly LandscapeResult[]): Table {
  const names = (diffusion[0]?.views ?? []).map(({ name }) => name);
  const shown = ['barrierFromStart', 'riseFromStart', 'barrierToPartner', 'topCurvature', 'negative'] as const;
  return {
    title: 'The diffusion model by noise',
    columns: [
      'noise',
      'seeds',
      'loss before, after',
      ...shown.map((measure) => measures[measure]),
      'largest eigenvalue',
      'trace',
    ],
    rows: names.map((name) => {
      const views = diffusion.map(({ views: all }) => all.find((view) => view.name === name)!);
      const loss: Loss = { name, seeds: views.map((view, seed) => ({ seed, view })) };
      return [
        name === 'whole' ? 'all timesteps' : name,
        String(views.length),
        beforeAfter(views),
        ...shown.map((measure) => text(over(loss, measure))),
        text(interval(views.map(({ spectrum }) => spectrum.largest[0]!))),
        text(interval(views.map(({ spectrum }) => spectrum.trace))),
      ];
    }),
  };
}

function beforeAfter(views: readonly View[]): string {
  return (['start', 'end'] as const).map((which) => text(interval(views.map(({ loss }) => loss[which])))).join(', ');
}

export const text = (value: Interval | undefined): string => (value === undefined ? '' : intervalText(value));
