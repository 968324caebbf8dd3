/** Are timesteps near pure noise easier to learn, and can they be learned alone? */
import {
  formatInterval,
  lineFigure,
  type ConfidenceInterval,
  type Conclusion,
  type Experiment,
  type Figure,
  type Scale,
  type StageResults,
  type Table,
} from '@dm/experiments';
import {
  learning,
  measures,
  optimum,
  overUniform,
  rankCorrelation,
  scopes,
  type Learning,
  type Measure,
  type Scope,
} from './analysis.js';
import type { DifficultyResult } from './run-trial.js';
import {
  BUCKETS,
  MIDDLE,
  REFERENCE_LENGTH,
  referenceTrials,
  stepsOf,
  trainingTrials,
  type DifficultyTrial,
} from './trial.js';

/** Number of runs per arm without which an interval over seeds would be too wide to decide. */
const SEEDS = 3;
/** The arms whose learning is compared between buckets. */
const predictions = ['v', 'epsilon'] as const;

export const difficultyExperiment: Experiment<DifficultyTrial, DifficultyResult> = {
  name: 'difficulty',
  summary: 'the noisier, the easier to learn',
  claim:
    'Timesteps near pure noise are easier to learn, and the noise rate is an explicit indicator of difficulty ' +
    '(arXiv:2404.07946, abstract).',
  notice:
    'Two of these limitations do not apply to this experiment: it measures each range of timesteps separately, and in ' +
    'relation to the optimum; and the Wiener filter is in its table.',
  setup: (scale) => [
    `The timesteps are divided into ${BUCKETS} equal ranges. The loss of each range is the squared error of epsilon of the ` +
      'EMA weights on the same test images with the same noise, so losses differ only in the noise level and the network.',
    'The size of a loss says nothing about difficulty: the errors of epsilon, x0, and v differ by a factor that depends on the ' +
      'noise level, and near pure noise even the best denoiser errs. Each loss is therefore divided by the loss of the optimum, ' +
      'which is the same whatever the network predicts. The optimum is the lowest final loss of two networks that ' +
      `predict v and are trained ${REFERENCE_LENGTH} times as long, with a learning rate that decays to 0. The table compares ` +
      'it with the posterior mean of the training images, a lower bound if many training images contribute to ' +
      'it, at high noise; at low noise it only reproduces the nearest training image, and is worse than a network. Both bounds are measured on other draws of images ' +
      'and noise than the optimum, so their ratios have errors of a few percent.',
    `Networks that predict v and epsilon are trained on all timesteps for ${stepsOf(scale)} steps; v also on t >= ${MIDDLE} only, ` +
      `and on t < ${MIDDLE} only. AdamW with a learning rate of 0.004, constant after a warm-up of 2% of the steps, uniform ` +
      'timesteps, unweighted MSE of the prediction, EMA half-life 5% of the images. The losses are measured after 1 ' +
      'step and then at intervals of half an octave.',
    'The signal-to-noise ratio (SNR) of the gradient is |E g|^2 / E|g - E g|^2; g is the gradient of the unweighted ' +
      'loss of the prediction over 32 test images whose timesteps are spread evenly over one range, estimated from 8 independent draws of images and ' +
      'noise, with the raw weights.',
    'The experiment gives no verdict: the order of the ranges depends on the prediction and on the measure, and near pure noise an epsilon ' +
      'network cannot reach even a linear filter, however long it is trained. Rank correlations are therefore also given without ' +
      'the ranges whose log SNR is below -5. Their intervals are 95% intervals over seeds (Student) and can extend beyond -1 ' +
      'and 1. A range that is not within 10% after the last step ranks last.',
  ],
  stages: [
    {
      name: 'reference',
      about: 'long runs, whose lowest final loss in each range of timesteps is the optimum.',
      trials: referenceTrials,
    },
    {
      name: 'training',
      about: 'v and epsilon on all timesteps, v on the noisy or the clean half.',
      trials: trainingTrials,
    },
  ],
  conclude,
};

type Runs = ReadonlyMap<string, readonly (readonly Learning[])[]>;

function conclude(results: Readonly<Record<string, StageResults<DifficultyResult>>>, scale: Scale): Conclusion {
  const reference = results['reference'] ?? new Map<string, DifficultyResult[]>();
  const training = results['training'] ?? new Map<string, DifficultyResult[]>();
  const optima = optimum(reference);
  const runs: Runs = new Map(
    optima === undefined
      ? []
      : predictions.flatMap((name) =>
          training.has(name) ? [[name, training.get(name)!.map((result) => learning(result, optima))]] : [],
        ),
  );
  const correlations = [...runs].flatMap(([arm, ofSeeds]) =>
    (Object.keys(measures) as Measure[]).flatMap((measure) =>
      (Object.keys(scopes) as Scope[]).flatMap((scope): Correlation[] => {
        const interval = rankCorrelation(ofSeeds, measure, scope);
        return interval === undefined ? [] : [{ arm, measure, scope, ...interval }];
      }),
    ),
  );
  const isOpen = predictions.some((name) => (runs.get(name)?.length ?? 0) < SEEDS);
  const list = (measure: Measure, scope: Scope) =>
    predictions
      .map((arm) => {
        const found = correlations.find((one) => one.arm === arm && one.measure === measure && one.scope === scope);
        return `${arm} ${found === undefined ? 'none, since no range is within 10%' : formatInterval(found)}`;
      })
      .join(', ');
  const transfer = transferRows(training);
  return {
    ...(isOpen && { verdict: 'open' }),
    ...(!isOpen && { key: `rank correlation of the noise rate with the ${measures.images}: ${list('images', 'all')}` }),
    sentences: [
      ...(isOpen
        ? ['Undecided: too few runs are finished.']
        : [
            `Rank correlation of the noise rate with the ${measures.images} (negative: noisier is easier): ${list('images', 'all')}; ` +
              `at a log SNR above -5 ${list('images', 'log SNR above -5')}.`,
            `The same with the ${measures.excess}: ${list('excess', 'all')}; at a log SNR above -5 ` +
              `${list('excess', 'log SNR above -5')}.`,
            `The same with the gradient SNR (positive: the gradient of a noisier range is less noisy): early in the run ` +
              `${list('snrEarly', 'all')}, after the last step ${list('snrEnd', 'all')}.`,
            ...transferSentences(transfer),
          ]),
      ...(scale === 'laptop'
        ? [
            'The model has 41,609 parameters, and the data is MNIST at 12x12: the results do not say anything about ImageNet.',
          ]
        : []),
    ],
    tables: [
      ...(optima === undefined ? [] : [bucketTable(reference, runs, optima)]),
      correlationTable(correlations),
      ...(transfer.length === 0 ? [] : [transferTable(transfer)]),
    ],
    figures: runs.size === 0 ? [] : figures(runs),
    numbers: {
      optima,
      learning: Object.fromEntries(
        [...runs].map(([name, ofSeeds]) => [name, ofSeeds[0]!.map((_, b) => meansOf(ofSeeds.map((run) => run[b]!)))]),
      ),
      correlations,
      transfer,
    },
  };
}

const range = ({ from, to }: { readonly from: number; readonly to: number }): string => `${from} to ${to - 1}`;

function bucketTable(reference: StageResults<DifficultyResult>, runs: Runs, optima: readonly number[]): Table {
  const long = [...reference.values()].flat();
  const { buckets } = long[0]!;
  const bounds = long.find((result) => result.bounds !== undefined)?.bounds;
  const cells = (b: number, measure: Measure): string[] =>
    [...runs.values()].map((ofSeeds) =>
      formatMeasure(
        measure,
        ofSeeds.map((run) => run[b]!),
      ),
    );
  const names = [...runs.keys()];
  return {
    title: 'Learning by range of timesteps (mean over seeds; images: geometric mean)',
    columns: [
      'timesteps',
      'noise rate',
      'optimum (MSE of epsilon)',
      'Wiener filter / optimum',
      'posterior mean / optimum',
      ...names.map((name) => `images to within 10%, ${name}`),
      ...names.map((name) => `excess after the last step, ${name}`),
      ...names.map((name) => `gradient SNR early, ${name}`),
      ...names.map((name) => `at the end, ${name}`),
    ],
    rows: buckets.map((bucket, b) => [
      range(bucket),
      bucket.noiseRate.toFixed(3),
      optima[b]!.toPrecision(3),
      bounds === undefined ? '' : (bounds.wiener[b]! / optima[b]!).toFixed(2),
      bounds === undefined ? '' : (bounds.posteriorMean[b]! / optima[b]!).toFixed(2),
      ...cells(b, 'images'),
      ...cells(b, 'excess'),
      ...cells(b, 'snrEarly'),
      ...cells(b, 'snrEnd'),
    ]),
  };
}

/** Over seeds: the geometric mean of the images, null if a seed did not reach 10%, and the means of the others. */
function meansOf(all: readonly Learning[]): Readonly<Record<Measure, number | null>> {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const of = (measure: Measure) => mean(all.map((one) => one[measure]));
  const images = Math.exp(mean(all.map((one) => Math.log(one.images))));
  return {
    images: Number.isFinite(images) ? images : null,
    excess: of('excess'),
    snrEarly: of('snrEarly'),
    snrEnd: of('snrEnd'),
  };
}

function formatMeasure(measure: Measure, all: readonly Learning[]): string {
  const mean = meansOf(all)[measure];
  const never = all.filter(({ images }) => images === Infinity).length;
  if (mean === null) return `not reached (${never} of ${all.length})`;
  return measure === 'images' ? mean.toFixed(0) : mean.toPrecision(3);
}

interface Correlation extends ConfidenceInterval {
  readonly arm: string;
  readonly measure: Measure;
  readonly scope: Scope;
}

function correlationTable(correlations: readonly Correlation[]): Table {
  return {
    title: 'Rank correlation with the noise rate',
    columns: ['prediction', 'measure', 'ranges', 'seeds', 'correlation'],
    rows: correlations.map((one) => [one.arm, measures[one.measure], one.scope, String(one.n), formatInterval(one)]),
  };
}

interface TransferRow {
  readonly arm: 'v-noisy' | 'v-clean';
  readonly about: string;
  readonly clean: ConfidenceInterval;
  readonly noisy: ConfidenceInterval;
}

/** Losses / losses of training on all timesteps, with as many images, and with as many images of the trained half. */
function transferRows(training: StageResults<DifficultyResult>): TransferRow[] {
  return (['v-noisy', 'v-clean'] as const).flatMap((arm) =>
    ([1, 0.5] as const).flatMap((at) => {
      const [clean, noisy] = [overUniform(training, arm, 'clean', at), overUniform(training, arm, 'noisy', at)];
      const trained = arm === 'v-noisy' ? `t >= ${MIDDLE}` : `t < ${MIDDLE}`;
      const about = `only ${trained}, ${at === 1 ? 'as many images' : `as many images with ${trained}`}`;
      return clean === undefined || noisy === undefined ? [] : [{ arm, about, clean, noisy }];
    }),
  );
}

function transferSentences(rows: readonly TransferRow[]): string[] {
  return rows.map(
    ({ about, clean, noisy }) =>
      `Trained on ${about}: ${formatInterval(noisy)} times the loss of training on all timesteps at t >= ${MIDDLE}, and ` +
      `${formatInterval(clean)} times at t < ${MIDDLE}.`,
  );
}

function transferTable(rows: readonly TransferRow[]): Table {
  return {
    title: 'Loss over the loss of training on all timesteps (v; geometric mean over ranges, paired by seed)',
    columns: ['trained on', 'seeds', `at t < ${MIDDLE}`, `at t >= ${MIDDLE}`],
    rows: rows.map(({ about, clean, noisy }) => [about, String(noisy.n), formatInterval(clean), formatInterval(noisy)]),
  };
}

function figures(runs: Runs): Figure[] {
  const figure = (name: string, measure: Measure, isLog: boolean): Figure => {
    const title = measures[measure];
    return lineFigure({
      name,
      caption: `${title[0]!.toUpperCase()}${title.slice(1)}, by noise rate, mean and range over seeds`,
      xTitle: 'noise rate sqrt(1 - abar)',
      yTitle: title,
      logY: isLog,
      series: [...runs].flatMap(([arm, ofSeeds]) =>
        ofSeeds.map((run) => {
          const shown = run.filter((bucket) => Number.isFinite(bucket[measure]) && (!isLog || bucket[measure] > 0));
          return { name: arm, x: shown.map(({ noiseRate }) => noiseRate), y: shown.map((bucket) => bucket[measure]) };
        }),
      ),
    });
  };
  return [figure('images', 'images', true), figure('excess', 'excess', true), figure('gradient-snr', 'snrEarly', true)];
}
