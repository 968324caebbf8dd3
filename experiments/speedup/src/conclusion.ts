/** The conclusion of `speedup`. */
import {
  armTable,
  compareArms,
  type Conclusion,
  curveFigure,
  finalSeeds,
  formatInterval,
  formatSpeedup,
  runLengthFigure,
  runLengthTable,
  type Scale,
  scaleCaveats,
  type StageResults,
  type StepsToTarget,
  stepsToTargetByArm,
  stepsToTargetByRunLength,
  stepsToTargetTable,
  type StepTimes,
  type Table,
} from '@dm/experiments';
import { isStepTimeResult, trainingResults, type SpeedupResult } from './trial-types.js';

/** The goal for CLTS and MDLRC combined: a speed-up of 2. */
const GOAL = 2;

type Times = Readonly<Record<string, StepTimes>>;

export function conclude(results: Readonly<Record<string, StageResults<SpeedupResult>>>, scale: Scale): Conclusion {
  const [rates, whole, short] = (['rates', 'whole', 'short'] as const).map((stage) => trainingResults(results[stage]!));
  const times = [...results['clock']!.values()].flat().find(isStepTimeResult);
  const byLength = stepsToTargetByRunLength(whole!, short!, 'baseline');
  const both = byLength['clts-mdlrc'];
  const seeds = finalSeeds[scale].length;
  const isDone =
    both !== undefined && seeds > 1 && [...whole!.values(), ...short!.values()].every(({ length }) => length === seeds);
  const speeds = [both?.['fd ema'], both?.['validation ema']];
  const verdict = !isDone
    ? 'open'
    : speeds.every((one) => isReached(one) && one.speedup!.mean >= GOAL)
      ? 'holds'
      : speeds.some((one) => isReached(one) && (one.speedup!.low ?? 0) > 1)
        ? 'depends'
        : 'does not hold';
  return {
    verdict,
    sentences: [
      isDone ? reading(both, byLength['decayed']) : 'Undecided: some runs are not finished.',
      ...[
        compareArms(whole!, 'clts-mdlrc', 'baseline'),
        compareArms(whole!, 'clts-mdlrc', 'decayed'),
        compareArms(whole!, 'best', 'baseline'),
      ].map(({ sentence }) => `With the same number of steps, ${sentence}`),
      ...Object.entries(byLength).map(([name, byMetric]) => speedupSentence(name, byMetric, times?.stepMs)),
      scaleCaveats[scale],
    ],
    tables: [
      runLengthTable("Speed-up in steps to the baseline's final value, complete runs", whole!, short!, 'baseline'),
      ...(times === undefined ? [] : [stepTimeTable(times.stepMs, byLength, times.machine.cpu)]),
      stepsToTargetTable("Speed-up in steps to the baseline's final value, within one run", whole!, 'baseline'),
      armTable('Runs of full length', whole!, 'baseline'),
      armTable('Complete runs on fewer images', short!),
      armTable('Learning rates, one seed', rates!),
    ],
    figures: [
      ...runLengthFigure(whole!, short!, 'baseline', 'fd'),
      ...runLengthFigure(whole!, short!, 'baseline', 'validation'),
      ...curveFigure(whole!, 'validation', 'ema'),
    ],
    numbers: { byLength, within: stepsToTargetByArm(whole!, 'baseline'), stepMs: times?.stepMs ?? null },
  };
}

/** Whether every seed reached the target. */
const isReached = (one: StepsToTarget | undefined): one is StepsToTarget =>
  one?.speedup !== undefined && one.reached === one.of;

function reading(
  both: Readonly<Record<string, StepsToTarget>>,
  decayed: Readonly<Record<string, StepsToTarget>> | undefined,
): string {
  const speeds = (of: Readonly<Record<string, StepsToTarget>>) =>
    `${formatSpeedup(of['fd ema']!)} (FD-classifier) and ${formatSpeedup(of['validation ema']!)} (validation loss)`;
  return (
    `Speed-up of CLTS and MDLRC combined, in steps to the baseline's final value, EMA weights: ${speeds(both)}` +
    (decayed === undefined
      ? '.'
      : `; of the linear learning-rate decay that MDLRC contains, with uniform timesteps: ${speeds(decayed)}.`)
  );
}

function speedupSentence(
  name: string,
  byMetric: Readonly<Record<string, StepsToTarget>>,
  times: Times | undefined,
): string {
  const [fd, validation] = [byMetric['fd ema']!, byMetric['validation ema']!];
  const steps = `Speed-up of ${name}: in steps ${formatSpeedup(fd)} to the FD-classifier and ${formatSpeedup(validation)} to the validation loss`;
  const factor = stepTimeRatio(name, times);
  const clock = [fd, validation].map(({ speedup }) =>
    speedup === undefined || factor === undefined ? undefined : (speedup.mean * factor).toPrecision(3),
  );
  return factor === undefined || clock.every((one) => one === undefined)
    ? `${steps}.`
    : `${steps}; in time ${clock.map((one) => one ?? 'not reached').join(' and ')}.`;
}

/** Step time of the baseline / step time of the recipe. */
function stepTimeRatio(name: string, times: Times | undefined): number | undefined {
  const [base, own] = [times?.['baseline'], times?.[name]];
  return base === undefined || own === undefined ? undefined : base.median / own.median;
}

function stepTimeTable(
  times: Times,
  byLength: Readonly<Record<string, Readonly<Record<string, StepsToTarget>>>>,
  cpu: string,
): Table {
  const scaled = (one: StepsToTarget | undefined, factor: number) => {
    if (one?.speedup === undefined) return '';
    const { mean, low, high, n } = one.speedup;
    const bounds = low === undefined || high === undefined ? {} : { low: low * factor, high: high * factor };
    return `${one.isLeast ? 'at least ' : ''}${formatInterval({ mean: mean * factor, n, ...bounds })}`;
  };
  return {
    title: `Step times and speed-up in time, one thread of ${cpu}`,
    columns: [
      'arm',
      'ms per step, median',
      'quartiles',
      'relative to the baseline',
      'speed-up in time to the FD-classifier, EMA',
      'speed-up in time to the validation loss, EMA',
    ],
    rows: Object.entries(times).map(([name, { median, low, high }]) => {
      const factor = stepTimeRatio(name, times)!;
      return [
        name,
        median.toFixed(2),
        `${low.toFixed(2)} to ${high.toFixed(2)}`,
        (1 / factor).toFixed(3),
        scaled(byLength[name]?.['fd ema'], factor),
        scaled(byLength[name]?.['validation ema'], factor),
      ];
    }),
  };
}
