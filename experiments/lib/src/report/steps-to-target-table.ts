/** Tables of speed-ups: how many images arms need to reach the final value of a reference. */
import type { StageResults } from '../trial/result.js';
import type { Table } from './conclusion.js';
import { finalInterval, metricTitles, type Metric, type Weights } from './metrics.js';
import { formatSpeedup, stepsToTarget, type StepsToTarget } from './steps-to-target.js';

/** The validation loss is the only metric that is measured often enough within a run. */
const targets: readonly (readonly [Metric, Weights])[] = [
  ['validation', 'ema'],
  ['validation', 'raw'],
];

/** For each arm, by metric and weights (`validation ema`). The target is the reference's mean over seeds. */
export function stepsToTargetByArm(
  results: StageResults,
  reference: string,
): Readonly<Record<string, Record<string, StepsToTarget>>> {
  const base = results.get(reference) ?? [];
  const length = base[0]?.size.images;
  if (length === undefined) return {};
  return Object.fromEntries(
    [...results].map(([name, trials]) => [
      name,
      Object.fromEntries(
        targets.flatMap(([metric, weights]) => {
          const target = finalInterval(base, metric, weights);
          if (target === undefined) return [];
          return [[`${metric} ${weights}`, stepsToTarget(trials, metric, weights, target.mean, length)]];
        }),
      ),
    ]),
  );
}

/** Speed-ups relative to the reference's complete run, with counts if some seeds did not reach the target. */
export function stepsToTargetTable(title: string, results: StageResults, reference: string): Table {
  const found = stepsToTargetByArm(results, reference);
  return {
    title,
    columns: [
      'arm',
      'what it is',
      ...targets.map(([metric, weights]) => `${metricTitles[metric]}, ${weights === 'ema' ? 'EMA' : 'raw'}`),
    ],
    rows: Object.entries(found).map(([name, byMetric]) => [
      name,
      results.get(name)![0]!.about,
      ...targets.map(([metric, weights]) => {
        const one = byMetric[`${metric} ${weights}`];
        return one === undefined ? '' : formatSpeedup(one);
      }),
    ]),
  };
}
