/** What the conclusions of experiments have in common: trials, choices, tables, sentences. */
import type { Size } from '../recipe/sizes.js';
import type { Arm, Trial } from '../recipe/trial.js';
import type { StageResults } from '../trial/result.js';
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

/** Every arm at every seed; all arms of a seed before the next seed, so that a run that is stopped has whole seeds. */
export function trialGrid(stage: string, arms: readonly Arm[], size: Size, seeds: readonly number[]): Trial[] {
  return seeds.flatMap((seed) => arms.map((arm) => ({ stage, arm, size, seed })));
}

/** The arms that did not diverge, from the lowest final value with EMA weights, first seed, to the highest. */
export function rankArms(arms: readonly Arm[], results: StageResults, metric: Metric): Arm[] {
  const valueOf = ({ name }: Arm) => {
    const [first] = results.get(name) ?? [];
    return (first && finalValue(first, metric, 'ema')) ?? Infinity;
  };
  return arms.filter((arm) => valueOf(arm) < Infinity).toSorted((a, b) => valueOf(a) - valueOf(b));
}

/**
 * The first of `rankArms`.
 * @throws {Error} if all of them diverged
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
  ['fd', 'raw'],
  ['fd', 'ema'],
  ['kd', 'ema'],
];

/** A row an arm: final values with their 95 % intervals over seeds, and with a baseline the ratios to it, seed by seed. */
export function armTable(title: string, results: StageResults, baselineName?: string): Table {
  const base = baselineName === undefined ? undefined : results.get(baselineName);
  const compared = base === undefined ? [] : (['validation', 'fd'] as const);
  return {
    title,
    columns: [
      'arm',
      'what it is',
      'seeds',
      ...columns.map(([metric, weights]) => `${metricTitles[metric]}, ${weights === 'ema' ? 'EMA' : 'raw'}`),
      ...compared.map((metric) => `${metricTitles[metric]} EMA over ${baselineName}`),
    ],
    rows: [...results].map(([name, trials]) => [
      name,
      trials[0]!.about,
      String(trials.length),
      ...columns.map(([metric, weights]) => {
        const found = finalInterval(trials, metric, weights);
        return found === undefined ? 'diverged' : formatInterval(found, metric === 'validation' ? 4 : 3);
      }),
      ...compared.map((metric) => {
        const ratio = name === baselineName ? undefined : pairedRatio(trials, base!, metric, 'ema');
        return ratio === undefined ? '' : formatInterval(ratio);
      }),
    ]),
  };
}

export type Judgment = 'better' | 'worse' | 'no clear difference' | 'mixed' | 'not measured';

/**
 * `a` beside `b` by EMA validation loss and Fréchet distance, both seed by seed, with a sentence that says the ratios, and
 * the ratios alone where they were measured.
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
    return { judgment: 'not measured', sentence: `${a} beside ${b} is not measured yet.` };
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
  const verdictText = verdicts.includes(undefined) ? 'one seed only, so no interval' : judgment;
  return {
    judgment,
    ratios: `${a} over ${b}: validation loss ${formatInterval(validation)}, FD-classifier ${formatInterval(fd)}`,
    sentence:
      `${a} has ${formatInterval(validation)} times the validation loss and ${formatInterval(fd)} times the FD-classifier of ` +
      `${b} (EMA weights, ratio seed by seed, 95 % interval): ${verdictText}.`,
  };
}

/** Judged comparisons for results.json, whose field has the name `judgement`. */
export function withCommittedSpelling<T extends { readonly judgment: string }>({ judgment, ...rest }: T) {
  return { judgement: judgment, ...rest };
}
