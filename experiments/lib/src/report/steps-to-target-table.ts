/** Speed-ups in tables: how soon arms reach the values that a reference ended with. */
import type { StageResults } from '../trial/result.js';
import type { Table } from './conclusion.js';
import { finalInterval, metricTitles, type Metric, type Weights } from './metrics.js';
import { formatSpeedup, stepsToTarget, type StepsToTarget } from './steps-to-target.js';

/** Only the validation loss is measured often enough within a run. */
const targets: readonly (readonly [Metric, Weights])[] = [
  ['validation', 'ema'],
  ['validation', 'raw'],
];

/** Of each arm, by metric and weights: `validation ema` and the like. Targets are the reference's means over seeds. */
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

/** Speed-up in images over the reference's whole run; counts where not every seed reached the target. */
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
