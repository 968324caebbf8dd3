/** Building blocks of experiments: grids of trials, selection of arms, tables, comparisons. */
import { geometricMean } from '@dm/eval';
import type { Size } from '../recipe/sizes.js';
import type { Arm, Trial } from '../recipe/trial.js';
import type { StageResults } from '../trial/result.js';
import type { Validation } from '../trial/validation.js';
import { validationBounds } from './bounds.js';
import type { Table } from './conclusion.js';
import {
  finalInterval,
  finalValue,
  judgeRatio,
  metricTitles,
  pairedRatio,
  type Metric,
  type Weights,
} from './metrics.js';
import { formatInterval } from './statistics.js';

/** Every arm at every seed. Seeds vary slowest, so an interrupted experiment has complete seeds. */
export function trialGrid(stage: string, arms: readonly Arm[], size: Size, seeds: readonly number[]): Trial[] {
  return seeds.flatMap((seed) => arms.map((arm) => ({ stage, arm, size, seed })));
}

/** The arms that did not diverge, sorted by the final value of their first seed with EMA weights, lowest first. */
export function rankArms(arms: readonly Arm[], results: StageResults, metric: Metric): Arm[] {
  const valueOf = ({ name }: Arm) => {
    const [first] = results.get(name) ?? [];
    return (first && finalValue(first, metric, 'ema')) ?? Infinity;
  };
  return arms.filter((arm) => valueOf(arm) < Infinity).toSorted((a, b) => valueOf(a) - valueOf(b));
}

/**
 * The first arm of `rankArms`.
 * @throws {Error} if all arms diverged
 */
export function bestArm(arms: readonly Arm[], results: StageResults, metric: Metric): Arm {
  const [best] = rankArms(arms, results, metric);
  if (best === undefined) throw new Error(`All of ${arms.map(({ name }) => name).join(', ')} diverged.`);
  return best;
}

/** The columns of every table of arms. */
const columns: readonly (readonly [Metric, Weights])[] = [
  ['validation', 'raw'],
  ['validation', 'ema'],
  ['geometric', 'ema'],
  ['fd', 'raw'],
  ['fd', 'ema'],
  ['kd', 'ema'],
];

const isLoss = (metric: Metric): boolean => metric === 'validation' || metric === 'geometric';

/**
 * One row per arm: final values with 95% intervals over seeds and, given a baseline, paired ratios to it. The last rows
 * are denoisers without training.
 */
export function armTable(title: string, results: StageResults, baselineName?: string): Table {
  const base = baselineName === undefined ? undefined : results.get(baselineName);
  const compared = base === undefined ? [] : (['validation', 'geometric', 'fd'] as const);
  return {
    title,
    columns: [
      'arm',
      'what it is',
      'seeds',
      ...columns.map(([metric, weights]) => `${metricTitles[metric]}, ${weights === 'ema' ? 'EMA' : 'raw'}`),
      ...compared.map((metric) => `${metricTitles[metric]} EMA over ${baselineName}`),
    ],
    rows: [
      ...[...results].map(([name, trials]) => [
        name,
        trials[0]!.about,
        String(trials.length),
        ...columns.map(([metric, weights]) => {
          const found = finalInterval(trials, metric, weights);
          return found === undefined ? 'diverged' : formatInterval(found, isLoss(metric) ? 4 : 3);
        }),
        ...compared.map((metric) => {
          const ratio = name === baselineName ? undefined : pairedRatio(trials, base!, metric, 'ema');
          return ratio === undefined ? '' : formatInterval(ratio);
        }),
      ]),
      ...(results.size === 0 ? [] : boundRows(compared.length)),
    ],
  };
}

/** Rows of the bounds, with empty cells for what only a network has. */
function boundRows(ratios: number): string[][] {
  const { wiener, posteriorMean } = validationBounds();
  const row = (name: string, about: string, { loss, quarters }: Validation) => [
    name,
    about,
    '',
    ...columns.map(([metric, weights]) =>
      weights === 'raw' || !isLoss(metric)
        ? ''
        : (metric === 'validation' ? loss : geometricMean(quarters)).toPrecision(4),
    ),
    ...Array.from({ length: ratios }, () => ''),
  ];
  return [
    row('Wiener filter', 'optimal linear denoiser, no training', wiener),
    row('posterior mean', 'optimal for the training images, no training', posteriorMean),
  ];
}

export type Judgment = 'better' | 'worse' | 'no clear difference' | 'mixed' | 'not measured';

/**
 * Compares arms `a` and `b` by EMA validation loss and Fréchet distance, paired by seed. Returns the judgment, a
 * sentence with the ratios and, if measured, the ratios alone.
 */
export function compareArms(
  results: StageResults,
  a: string,
  b: string,
): { readonly judgment: Judgment; readonly sentence: string; readonly ratios?: string } {
  const of = (metric: Metric) => pairedRatio(results.get(a) ?? [], results.get(b) ?? [], metric, 'ema');
  const [validation, fd] = [of('validation'), of('fd')];
  const verdicts = [judgeRatio(validation), judgeRatio(fd)];
  if (validation === undefined || fd === undefined) {
    return { judgment: 'not measured', sentence: `${a} has not been compared with ${b} yet.` };
  }
  const has = (verdict: Judgment) => verdicts.some((v) => v === verdict);
  const judgment = verdicts.includes(undefined)
    ? 'not measured'
    : has('better') && has('worse')
      ? 'mixed'
      : has('better')
        ? 'better'
        : has('worse')
          ? 'worse'
          : 'no clear difference';
  const verdictText = verdicts.includes(undefined) ? 'only one seed, so no interval' : judgment;
  return {
    judgment,
    ratios: `${a} over ${b}: validation loss ${formatInterval(validation)}, FD-classifier ${formatInterval(fd)}`,
    sentence:
      `${a} has ${formatInterval(validation)} times the validation loss and ${formatInterval(fd)} times the FD-classifier of ` +
      `${b} (EMA weights, paired by seed, 95% interval): ${verdictText}.`,
  };
}

/** A comparison for results.json, in which the field is spelled `judgement`. */
export function withCommittedSpelling<T extends { readonly judgment: string }>({ judgment, ...rest }: T) {
  return { judgement: judgment, ...rest };
}
