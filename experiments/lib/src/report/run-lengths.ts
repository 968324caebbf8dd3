/**
 * Speed-ups from complete runs of several lengths. A recipe with a learning-rate schedule is good only at the end of
 * the schedule, so points within one long run would underestimate it. Each arm is therefore also trained completely on
 * a fraction of the images.
 */
import type { Size } from '../recipe/sizes.js';
import type { Arm, Trial } from '../recipe/trial.js';
import type { StageResults, TrialResult } from '../trial/result.js';
import type { Table } from './conclusion.js';
import { lineFigure, type Figure } from './figure.js';
import { finalInterval, finalValue, metricTitles, type Metric, type Weights } from './metrics.js';
import { curvesToTarget, formatSpeedup, type Curve, type StepsToTarget } from './steps-to-target.js';

/**
 * Complete runs of `arm` on 1/`divisor` of the images of `size`, named `<arm>-1-of-<divisor>`, with samples at the end.
 */
export function shortTrials(
  stage: string,
  arm: Arm,
  size: Size,
  divisors: readonly number[],
  seeds: readonly number[],
): Trial[] {
  return divisors.flatMap((divisor) =>
    seeds.map((seed) => ({
      stage,
      arm: { ...arm, name: shortName(arm.name, divisor), about: `${arm.about}, 1/${divisor} of the images` },
      size: { ...size, images: Math.round(size.images / divisor), validations: 2, sampleEvaluations: 1 },
      seed,
    })),
  );
}

const shortName = (name: string, divisor: number | ''): string => `${name}-1-of-${divisor}`;

/**
 * Number of images with which a complete run of an arm reaches the target `value`, per seed, linearly interpolated
 * between run lengths. `whole` and `short` are the results of the stages; `reference` is the length of the baseline in
 * images. Undefined for an arm without short runs.
 */
function armStepsByRunLength(
  name: string,
  stages: { readonly whole: StageResults; readonly short: StageResults },
  target: { readonly metric: Metric; readonly weights: Weights; readonly value: number; readonly reference: number },
): StepsToTarget | undefined {
  const { metric, weights, value, reference } = target;
  const shorter = shortTrialsOf(name, stages.short);
  if (shorter.length === 0) return undefined;
  const all = [...shorter, ...(stages.whole.get(name) ?? [])];
  const seeds = [...new Set(all.map(({ seed }) => seed))];
  const curves = seeds.map((one) =>
    endings(
      all.filter(({ seed }) => seed === one),
      metric,
      weights,
    ),
  );
  return curvesToTarget(curves, value, reference);
}

function shortTrialsOf(name: string, short: StageResults): TrialResult[] {
  return [...short].flatMap(([arm, trials]) => (arm.startsWith(shortName(name, '')) ? trials : []));
}

function endings(trials: readonly TrialResult[], metric: Metric, weights: Weights): Curve {
  const sorted = trials
    .flatMap((trial) => {
      const value = finalValue(trial, metric, weights);
      return value === undefined ? [] : [{ images: trial.size.images, value }];
    })
    .toSorted((a, b) => a.images - b.images);
  return { x: sorted.map(({ images }) => images), y: sorted.map(({ value }) => value) };
}

const targets: readonly (readonly [Metric, Weights])[] = (['fd', 'kd', 'validation'] as const).flatMap((metric) =>
  (['ema', 'raw'] as const).map((weights) => [metric, weights] as const),
);

/**
 * For each arm with short runs, by metric and weights (`fd ema`): images needed to match the final value of `baseline`.
 */
export function stepsToTargetByRunLength(
  whole: StageResults,
  short: StageResults,
  baseline: string,
): Readonly<Record<string, Readonly<Record<string, StepsToTarget>>>> {
  const base = whole.get(baseline) ?? [];
  const reference = base[0]?.size.images;
  if (reference === undefined) return {};
  return Object.fromEntries(
    [...whole.keys()].flatMap((name) => {
      const byMetric = targets.flatMap(([metric, weights]) => {
        const value = finalInterval(base, metric, weights)?.mean;
        const found =
          value === undefined
            ? undefined
            : armStepsByRunLength(name, { whole, short }, { metric, weights, value, reference });
        return found === undefined ? [] : [[`${metric} ${weights}`, found] as const];
      });
      return byMetric.length === 0 ? [] : [[name, Object.fromEntries(byMetric)] as const];
    }),
  );
}

/** `stepsToTargetByRunLength` as a table. */
export function runLengthTable(title: string, whole: StageResults, short: StageResults, baseline: string): Table {
  return {
    title,
    columns: [
      'arm',
      ...targets.map(([metric, weights]) => `${metricTitles[metric]}, ${weights === 'ema' ? 'EMA' : 'raw'}`),
    ],
    rows: Object.entries(stepsToTargetByRunLength(whole, short, baseline)).map(([name, byMetric]) => [
      name,
      ...targets.map(([metric, weights]) => {
        const one = byMetric[`${metric} ${weights}`];
        return one === undefined ? '' : formatSpeedup(one);
      }),
    ]),
  };
}

/** Final values with EMA weights against run length, with a dashed line at the final value of `baseline`. */
export function runLengthFigure(
  whole: StageResults,
  short: StageResults,
  baseline: string,
  metric: 'fd' | 'validation',
): Figure[] {
  const series = [...whole.keys()].flatMap((name) => {
    const shorter = shortTrialsOf(name, short);
    if (shorter.length === 0) return [];
    return [...shorter, ...whole.get(name)!].flatMap((trial) => {
      const value = finalValue(trial, metric, 'ema');
      return value === undefined ? [] : [{ name, x: [trial.size.images], y: [value] }];
    });
  });
  const level = finalInterval(whole.get(baseline) ?? [], metric, 'ema')?.mean;
  if (series.length === 0 || level === undefined) return [];
  const title = metricTitles[metric];
  return [
    lineFigure({
      name: `length-${metric}`,
      caption:
        `Final ${title} of runs of several lengths, EMA weights, mean and range over seeds; ` +
        `dashed: final value of ${baseline}`,
      xTitle: 'images of the whole training',
      yTitle: title,
      logX: true,
      logY: true,
      level,
      series,
    }),
  ];
}
