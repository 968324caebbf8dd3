/** Which recipe reaches the quality of a tuned baseline in the fewest steps? Everything that was tried is reported. */
import {
  finalLoss,
  fitSpeedups,
  formatLogRatio,
  lineFigure,
  logSpeedup,
  publicClts,
  stepTimeTrial,
  truncateForSmoke,
  type Conclusion,
  type CurveResult,
  type Experiment,
  type Figure,
  type LogSpeedup,
  type MetricFloor,
  type Scale,
  type SpeedupEstimate,
  type StageResults,
  type StepTimeResult,
  type StepTimeTrial,
  type Table,
} from '@dm/experiments';
import { BASELINE, changes, DECAYED, families, MDLRC } from './recipes.js';
import {
  baselineRate,
  baselineRateTrials,
  type Before,
  bestFamily,
  combinations,
  edgeTrials,
  triedChanges,
  tunedFamilies,
  winner,
} from './selection.js';
import {
  BASELINE_LENGTH,
  BASELINE_TUNING,
  baselineTrials,
  batchSizeOf,
  finalistTrials,
  finalSeeds,
  imagesOf,
  LENGTHS,
  rateTrials,
  SEARCH_LENGTH,
  searchTrial,
  sizeOf,
  type Finalist,
  type SearchTrial,
} from './trial.js';

/** The goals: speed-up in steps and in time, to E1 and to E2. */
const GOAL = { steps: 3, time: 2 };
/** The length of the winner's runs, as a fraction of N, that decides. */
const PRIMARY = 1 / 2;
/** Rounds of five steps in which step times are measured. */
const ROUNDS: Readonly<Record<Scale, number>> = { smoke: 2, laptop: 60, full: 20 };

export type AnySearchTrial = SearchTrial | StepTimeTrial;
export type AnySearchResult = CurveResult | StepTimeResult;
export const isStepTimes = (result: AnySearchResult): result is StepTimeResult => 'stepMs' in result;

type Results = Readonly<Record<string, StageResults<AnySearchResult>>>;

export const recipeSearch: Experiment<AnySearchTrial, AnySearchResult> = {
  name: 'recipe-search',
  summary: 'our best recipe is 3 times as fast as a tuned baseline',
  claim:
    'A modern recipe reaches the quality of a tuned baseline in a third of the steps and half of the time. This is our goal, ' +
    'not a claim of the paper.',
  notice:
    'Most of these limitations do not apply to this experiment: every optimizer is tuned at the length of the search, the ' +
    'speed-up comes from complete runs, paired by seed, and its loss is a geometric mean over noise buckets.',
  setup: (scale) => {
    const { samples, samplerSteps, holdOut, lossImages, unet, data } = sizeOf(scale);
    const channels = (unet['block_out_channels'] as readonly number[]).join(', ');
    return [
      `N is ${imagesOf(scale)} images of ${data} with batch size ${batchSizeOf(scale)}. A UNet of levels with ${channels} channels ` +
        'predicts v with uniform timesteps, a warm-up of 2% of the steps, no weight decay, gradients clipped to norm 1, and an ' +
        'EMA with a half-life of 5% of the images seen. E1 is the geometric mean of the loss of the EMA weights over ten ' +
        `noise buckets of equal width over log-SNR in [-5, 7]. E2 consists of the Fréchet and kernel distances of ${samples} samples ` +
        `(DDIM, ${samplerSteps} steps) to the test images, in the features of a small network (a digit classifier, or MobileNetV2 for ` +
        'CIFAR-10). They are not FID and KID.',
      `Search: ${families.length} optimizers at several learning rates in octaves, ${SEARCH_LENGTH} N images, one seed; if the best ` +
        'learning rate is at an edge, two more octaves beyond it. Then each change of one part with the best optimizer; then ' +
        `the best changes of up to three parts together. E1 on ${lossImages} of ${holdOut} held-out training images decides.`,
      `Finals: fresh seeds, ${lossImages} test images in the loss. The baseline (${families.find(({ name }) => name === BASELINE)!.about}) ` +
        `is trained for ${BASELINE_LENGTH} N images and measured at intervals of half an octave; its learning rate is tuned again with ` +
        `${BASELINE_TUNING} N images. The others are complete runs of ${LENGTHS.join(', ')} N images: the winner of the search, the linear ` +
        "decay alone, and the paper's method (CLTS, momentum decay with compensation), each at its best learning rate. The " +
        'speed-up of a run is the number of images of the baseline with the same seed at the same metric, divided by the number of ' +
        'images of the run; as batch sizes are equal, this is also the ratio of steps. Beyond the ends of the curve, or within ' +
        'three standard deviations of the distance between training and test images, it is a bound. Intervals are 95% (Student), ' +
        'with the residual of a table of recipes and seeds. Time is steps multiplied by the median time of a step; its own ' +
        'uncertainty is in the table of step times, but not in the intervals.',
      `The rule was set before the search: with ${PRIMARY} N images, the winner reaches the goal if the lower ends of its intervals are ` +
        `above ${GOAL.steps} in steps and above ${GOAL.time} in time, both for E1 and for the Fréchet distance; it does not if one of the ` +
        'upper ends is below the goal; otherwise it is undecided.',
    ];
  },
  stages: [
    { name: 'rates', about: 'each optimizer at each learning rate, one seed.', trials: rateTrials },
    {
      name: 'edges',
      about: 'two more learning rates for optimizers whose best one is at an edge.',
      trials: (scale, before) => truncateForSmoke(edgeTrials(scale, training(before)), scale, 1),
    },
    {
      name: 'baseline',
      about: 'lower learning rates of the baseline on a longer run, one seed.',
      trials: (scale, before) => truncateForSmoke(baselineRateTrials(scale, training(before)), scale, 1),
    },
    {
      name: 'changes',
      about: 'each change with the best optimizer, one seed.',
      trials: (scale, before) => {
        const { family, lr } = bestFamily(training(before));
        return truncateForSmoke(changes, scale, 5).map((change) => searchTrial('changes', scale, family, lr, [change]));
      },
    },
    {
      name: 'together',
      about: 'combinations of the changes that helped, one seed.',
      trials: (scale, before) => {
        const { family, lr } = bestFamily(training(before));
        return truncateForSmoke(combinations(scale, training(before)), scale, 1).map((set) =>
          searchTrial('together', scale, family, lr, set),
        );
      },
    },
    {
      name: 'final',
      about: 'the baseline, the winner, the decay alone, and the method of the paper, with fresh seeds.',
      trials: (scale, before) => finalTrials(scale, training(before)),
    },
    {
      name: 'clock',
      about: 'step times of the finalists, in turn in one process.',
      trials: (scale, before) => {
        const arms = finalTrials(scale, training(before))
          .filter(
            ({ seed, arm }) => seed === finalSeeds[scale][0] && (arm.name === BASELINE || arm.name.endsWith('-1')),
          )
          .map(({ arm }) => arm);
        const [{ size }] = finalTrials(scale, training(before)) as [SearchTrial];
        return [stepTimeTrial(arms, size, ROUNDS[scale])];
      },
    },
  ],
  conclude,
};

/** The results without step times. */
function training(results: Results): Before {
  return Object.fromEntries(
    Object.entries(results).map(([stage, all]) => [
      stage,
      new Map([...all].map(([name, list]) => [name, list.flatMap((one) => (isStepTimes(one) ? [] : [one]))])),
    ]),
  );
}

/** The finalists besides the baseline: the winner of the search and the two rivals. */
function finalists(scale: Scale, before: Before): { readonly baseline: Finalist; readonly others: Finalist[] } {
  const all = tunedFamilies(before);
  const plain = (name: string, rate?: number): Finalist[] =>
    all.flatMap(({ family, lr: tuned }) => {
      const lr = rate ?? tuned;
      return family.name === name ? [{ name, about: `${family.about}, lr ${lr}`, family, lr, changes: [] }] : [];
    });
  const won = winner(scale, before);
  const about = [`${won.family.about}, lr ${won.lr}`, ...won.changes.map((change) => change.about)].join(', ');
  const method = plain(MDLRC).map((one): Finalist => ({
    ...one,
    name: 'method',
    about: `CLTS, ${one.about}`,
    changes: changes.filter(({ changes: { curriculum } }) => curriculum === publicClts),
  }));
  return {
    baseline: plain(BASELINE, baselineRate(before))[0]!,
    others: [{ ...won, name: 'winner', about }, ...plain(DECAYED), ...method],
  };
}

function finalTrials(scale: Scale, before: Before): SearchTrial[] {
  const { baseline, others } = finalists(scale, before);
  return [
    ...baselineTrials(scale, baseline),
    ...truncateForSmoke(others, scale, 1).flatMap((one) => finalistTrials(scale, one)),
  ];
}

type Metric = 'loss' | 'fd' | 'kd';
const metrics = { loss: 'E1', fd: 'Fréchet distance', kd: 'kernel distance' } as const satisfies Record<Metric, string>;

/** Images and metric of the readings that have it. */
function curveOf({ readings }: CurveResult, metric: Metric): { images: number[]; metric: number[] } {
  const points = readings.flatMap(({ images, loss, samples }) => {
    const value = metric === 'loss' ? loss : samples?.[metric];
    // KD's unbiased estimate need not be positive.
    return value === undefined || value <= 0 ? [] : [{ images, value }];
  });
  return { images: points.map(({ images }) => images), metric: points.map(({ value }) => value) };
}

interface SpeedupRow {
  readonly arm: string;
  readonly about: string;
  readonly metric: Metric;
  /** Log speed-up in images. */
  readonly estimate: SpeedupEstimate;
}

/** The mean of the distances between training and test images, and their standard deviation. */
function floorOf(baseline: readonly CurveResult[], metric: Metric): MetricFloor | undefined {
  const values = metric === 'loss' ? [] : baseline.flatMap(({ floors = [] }) => floors.map((floor) => floor[metric]));
  if (values.length < 2) return undefined;
  const value = values.reduce((sum, one) => sum + one, 0) / values.length;
  const variance = values.reduce((sum, one) => sum + (one - value) ** 2, 0) / (values.length - 1);
  // The unbiased kernel distance of two sets of real images is about 0, and may be negative.
  return { value: Math.max(0, value), spread: Math.sqrt(variance) };
}

/** The speed-ups of all complete runs over the baseline with the same seed; seeds whose baseline diverged are left out. */
function speedups(final: StageResults<CurveResult>): SpeedupRow[] {
  const all = final.get(BASELINE) ?? [];
  const baseline = all.filter((result) => Number.isFinite(finalLoss(result)));
  const others = [...final].filter(([name, { length }]) => name !== BASELINE && length === all.length);
  if (others.length === 0 || baseline.length < 2) return [];
  return (Object.keys(metrics) as Metric[]).flatMap((metric) => {
    const floor = floorOf(all, metric);
    const logs = Object.fromEntries(
      others.map(([name, results]) => [
        name,
        baseline.map((base): LogSpeedup => {
          const run = results.find(({ seed }) => seed === base.seed)!;
          const [curve, own] = [curveOf(base, metric), curveOf(run, metric)];
          const { images } = run.size;
          // A diverged run reached nothing: at most as fast as the start of the curve.
          if (finalLoss(run) === Infinity) return { value: Math.log(curve.images[0]! / images), bound: 'atMost' };
          // An estimate of the kernel distance that is not positive is better than every other.
          if (own.metric.length === 0) return { value: Math.log(curve.images.at(-1)! / images), bound: 'atLeast' };
          return logSpeedup(curve, { metric: own.metric.at(-1)!, images }, floor);
        }),
      ]),
    );
    const table = fitSpeedups(logs);
    return others.map(([arm, results]) => ({ arm, about: results[0]!.about, metric, estimate: table.estimate(arm) }));
  });
}

function conclude(results: Results, scale: Scale): Conclusion {
  const before = training(results);
  const final = before['final'] ?? new Map<string, CurveResult[]>();
  const clock = [...(results['clock']?.values() ?? [])].flat().find(isStepTimes);
  const rows = speedups(final);
  const timeRatio = (arm: string): number | undefined => {
    const [own, base] = [clock?.stepMs[arm.replace(/-[^-]+$/, '-1')], clock?.stepMs[BASELINE]];
    return own && base && own.median / base.median;
  };
  const winners = LENGTHS.map((length) => ({
    length,
    parts: (['loss', 'fd'] as const).flatMap((metric) => {
      const arm = `winner-${length}`;
      const row = rows.find((one) => one.arm === arm && one.metric === metric);
      const ratio = timeRatio(arm);
      return row === undefined || ratio === undefined
        ? []
        : [{ metric, estimate: row.estimate, logTime: Math.log(ratio) }];
    }),
  }));
  const primary = winners.find(({ length }) => length === PRIMARY)!.parts;
  const isOpen = winners.some(({ parts }) => parts.length < 2);
  const reaches = primary.every(
    ({ estimate, logTime }) => estimate.low > Math.log(GOAL.steps) && estimate.low - logTime > Math.log(GOAL.time),
  );
  const misses = primary.some(
    ({ estimate, logTime }) => estimate.high < Math.log(GOAL.steps) || estimate.high - logTime < Math.log(GOAL.time),
  );
  const verdict = isOpen || (!reaches && !misses) ? 'open' : reaches ? 'holds' : 'does not hold';
  return {
    verdict,
    sentences: isOpen
      ? ['Undecided: too few runs are finished.']
      : [
          ...winners.map(
            ({ length, parts }) =>
              `The winner (${final.get(`winner-${length}`)![0]!.about}) with ${length} N images: speed-up in steps ` +
              `${parts.map(({ metric, estimate }) => `${formatSpeedup(estimate)} to ${metrics[metric]}`).join(' and ')}; in time ` +
              `${parts.map(({ metric, estimate, logTime }) => `${formatSpeedup(estimate, logTime)} to ${metrics[metric]}`).join(' and ')}.`,
          ),
          'The model is small: the results do not say anything about ImageNet.',
        ],
    tables: [
      ...(rows.length > 0 ? [speedupTable(rows, timeRatio)] : []),
      ...(final.size > 0 ? [finalTable(final)] : []),
      ...(clock === undefined ? [] : [clockTable(clock)]),
      ...((before['together']?.size ?? 0) > 0 ? [togetherTable(scale, before)] : []),
      ...((before['changes']?.size ?? 0) > 0 ? [changesTable(scale, before)] : []),
      ...((before['rates']?.size ?? 0) > 0 ? [ratesTable(before)] : []),
    ],
    figures: lossFigure(final),
    numbers: {
      speedups: rows,
      tuned: tunedFamilies(before).map(({ family, lr, loss, isEdge }) => ({ family: family.name, lr, loss, isEdge })),
    },
  };
}

/** `logTime` is the log of the step's time over the baseline's. */
function formatSpeedup({ value, low, high }: SpeedupEstimate, logTime = 0): string {
  return formatLogRatio({ value: value - logTime, low: low - logTime, high: high - logTime });
}

function speedupTable(rows: readonly SpeedupRow[], timeRatio: (arm: string) => number | undefined): Table {
  return {
    title: 'Speed-up over the tuned baseline at an equal metric, complete runs',
    columns: ['run', 'recipe', 'metric', 'in steps', 'in time'],
    rows: rows.map(({ arm, about, metric, estimate }) => {
      const ratio = timeRatio(arm);
      return [
        arm,
        about,
        metrics[metric],
        formatSpeedup(estimate),
        ratio === undefined ? '' : formatSpeedup(estimate, Math.log(ratio)),
      ];
    }),
  };
}

function mean(values: readonly number[]): string {
  return values.length === 0 ? '' : (values.reduce((sum, value) => sum + value, 0) / values.length).toPrecision(4);
}

function finalTable(final: StageResults<CurveResult>): Table {
  return {
    title: 'Finals: means over seeds, test images',
    columns: ['run', 'images', 'seeds', 'E1', 'Fréchet distance', 'kernel distance'],
    rows: [...final].flatMap(([name, results]) =>
      results[0]!.readings
        .filter(({ samples }) => samples !== undefined)
        .map(({ images }) => {
          const at = results.flatMap(({ readings }) => readings.find((one) => one.images === images) ?? []);
          return [
            name,
            String(images),
            String(at.length),
            mean(at.map(({ loss }) => loss)),
            mean(at.map(({ samples }) => samples!.fd)),
            mean(at.map(({ samples }) => samples!.kd)),
          ];
        }),
    ),
  };
}

function clockTable({ stepMs, machine }: StepTimeResult): Table {
  return {
    title: `Time of a step, one thread of ${machine.cpu}`,
    columns: ['run', 'median (ms)', 'quartiles'],
    rows: Object.entries(stepMs).map(([name, { median, low, high }]) => [name, String(median), `${low} to ${high}`]),
  };
}

function togetherTable(scale: Scale, before: Before): Table {
  const { loss } = bestFamily(before);
  return {
    title: 'Combinations, one seed',
    columns: ['recipe', 'E1', 'over the best optimizer alone'],
    rows: combinations(scale, before).flatMap((set) => {
      const { family, lr } = bestFamily(before);
      const [result] = before['together']!.get(searchTrial('together', scale, family, lr, set).arm.name) ?? [];
      return result === undefined ? [] : [[result.about, formatLoss(result), (finalLoss(result) / loss).toFixed(4)]];
    }),
  };
}

function changesTable(scale: Scale, before: Before): Table {
  const { family, lr, loss } = bestFamily(before);
  return {
    title: `Changes of one part of ${family.about}, lr ${lr}, one seed`,
    columns: ['part', 'change', 'E1', 'over no change'],
    rows: triedChanges(scale, before).map(({ change, ratio }) => [
      change.part,
      change.about,
      Number.isFinite(ratio) ? (ratio * loss).toPrecision(4) : 'diverged',
      Number.isFinite(ratio) ? ratio.toFixed(4) : '',
    ]),
  };
}

function ratesTable(before: Before): Table {
  const all = [...(before['rates']?.values() ?? []), ...(before['edges']?.values() ?? [])].flat();
  return {
    title: 'Optimizers and learning rates, one seed',
    columns: ['optimizer', 'E1 by learning rate', 'best'],
    rows: tunedFamilies(before).map(({ family, lr, isEdge }) => [
      family.about,
      all
        .filter(({ arm }) => arm.startsWith(`${family.name}-lr`))
        .toSorted((a, b) => a.recipe.optimizer.lr - b.recipe.optimizer.lr)
        .map((result) => `${result.recipe.optimizer.lr}: ${formatLoss(result)}`)
        .join(', '),
      isEdge ? `${lr} (edge)` : String(lr),
    ]),
  };
}

function formatLoss(result: CurveResult): string {
  const loss = finalLoss(result);
  return Number.isFinite(loss) ? loss.toPrecision(4) : 'diverged';
}

function lossFigure(final: StageResults<CurveResult>): Figure[] {
  if (final.size === 0) return [];
  const series = [...final].flatMap(([name, results]) =>
    results.map((result) => {
      const { images, metric } = curveOf(result, 'loss');
      return { name: name === BASELINE ? name : name.replace(/-[^-]+$/, ''), x: images, y: metric };
    }),
  );
  return [
    lineFigure({
      name: 'loss',
      caption:
        'E1 against images seen: the baseline within its runs, the others after complete runs; mean and range over seeds',
      xTitle: 'images seen',
      yTitle: 'geometric mean of the loss',
      logX: true,
      logY: true,
      series,
    }),
  ];
}
