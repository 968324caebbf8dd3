/** Does the speed-up of a recipe grow with the length of the training, or with the width of the model? */
import {
  finalSize,
  formatLogRatio,
  lineFigure,
  publicClts,
  rangeTitles,
  validationBounds,
  type Conclusion,
  type ConfidenceInterval,
  type CurveResult,
  type CurveTrial,
  type Experiment,
  type Figure,
  type Scale,
  type StageResults,
  type Table,
} from '@dm/experiments';
import { BEYOND, gateAt, speedups, trendsOf, type Trend, type Wiener } from './analysis.js';
import {
  allPoints,
  axes,
  BASELINE_LENGTH,
  BASELINE_TUNING,
  baseline,
  batchSizeOf,
  confirmTrials,
  edgeTrials,
  finalName,
  finalRate,
  finalTrials,
  measurementsOf,
  pointsOf,
  rateTrials,
  recipes,
  seedsOf,
  tunedRate,
  warmupOf,
  type Axis,
  type Family,
  type Point,
} from './trial.js';

const axisTitles = { steps: 'length of the training', width: 'width of the model' } as const satisfies Record<
  Axis,
  string
>;

export const trend: Experiment<CurveTrial, CurveResult> = {
  name: 'trend',
  summary: 'the speed-up grows with the length of the training',
  claim:
    'If the speed-up at a small scale grows with the length of the training or the width of the model, it may be larger at ' +
    "the paper's scale. This is our question, not a claim of the paper.",
  notice: {
    instead: (scale) => {
      const octaves = axes.map((axis) => {
        const values = pointsOf(scale, axis).map((point) => point[axis]);
        return Math.log2(values.at(-1)! / values[0]!);
      });
      return (
        `These results are about small networks on ${finalSize[scale].data === 'mnist-12' ? 'MNIST at 12x12' : 'CIFAR-10'}, which predict v. ` +
        'Learning rates are tuned with one seed, and the intervals do not contain the error of their choice. The sizes span ' +
        `${octaves[0]} octaves of length and ${octaves[1]} of width, far from the paper's.`
      );
    },
  },
  setup: (scale) => {
    const { holdOut, tuning, final } = measurementsOf(scale);
    const [steps, widths] = axes.map((axis) => pointsOf(scale, axis));
    const { sigma, lambdaMax, rampShare } = publicClts.params as Readonly<Record<string, number>>;
    return [
      `${finalSize[scale].data}, v-prediction, the linear noise schedule, stratified timesteps, batch size ${batchSizeOf(scale)}, AdamW with a ` +
        `warm-up of 2% of the steps (${warmupOf(steps![0]!)} of ${steps![0]!.steps}). CLTS: a mixture of the uniform distribution and a Gaussian over t / T ` +
        `with sigma ${sigma}, whose weight rises to ${lambdaMax} after ${100 * rampShare!}% of the steps. Momentum decay: beta1 from .9 to 0 by Demon's rule, ` +
        'with compensation of the learning rate.',
      `The speed-up of a recipe is the number of images of the baseline (${baseline.about}, trained ${BASELINE_LENGTH} times as long) with the same seed ` +
        "at an equal loss, divided by the recipe's own; beyond the ends of the baseline's curve it is a bound. The loss is the geometric mean " +
        'over ten noise buckets of equal width over log-SNR in [-5, 7], of EMA weights with a half-life of 5% of the images seen. ' +
        'A run has failed from the first loss on that is above 1.2 times the Wiener filter’s (on MNIST), or, of the baseline, more than 5% above an earlier one of the same run: ' +
        'the curve of a baseline ends there, and a recipe is then at most as fast as the start of the curve.',
      `Steps: ${steps!.map((point) => point.steps).join(', ')} at width 1. Widths: ${widths!.map(({ width }) => width).join(', ')} at ` +
        `${widths![0]!.steps} steps, with the same number of channels in each group of normalization; the time embedding is as wide as the first level. ` +
        `Learning rates are tuned at each of them for constant rates (with ${BASELINE_TUNING} times the steps, in the middle of the baseline's curve), ` +
        'linear decay, and momentum decay, in octaves, and in two more if the best one is at an edge; the finals have the minimum of the parabola ' +
        'through the best rate and its neighbors, or the best rate, if the next one has a loss above 1.2 times the best. The constant rate is then ' +
        `trained for ${BASELINE_LENGTH} times the steps, and halved if that fails, or ends above 1.2 times the best loss of the tuning; the half is not confirmed, nor are the rates of recipes, which are tuned at their full length. Tuning is with one seed, on ${tuning} of ${holdOut} held-out training images; the finals have ` +
        `other seeds and ${final} test images. A rate that is off by half an octave costs .19 to .44% of the loss in the experiments \`momentum-grid\` and \`recipe-search\`: ` +
        'if the loss falls by 3% per octave of images, .3% are .07 in the logarithm of a speed-up.',
      'On MNIST, a point counts if the baseline, after as many steps as the recipes have, passes the gate of the primary experiment: at most 1.2 times the loss of ' +
        'the Wiener filter in each noise range (2 below log SNR -3), and at most .95 times from 0 on.',
      'A line through the log speed-ups against the logarithm of length or width is fitted for each recipe and seed. Its slope, per octave, has a 95% ' +
        'interval from the table of slopes, recipes x seeds; of a bound, an end of the interval is open. p: for a slope of 0, adjusted by ' +
        `Holm's method. Bend: the slope between the last two points minus the one between the first two. The speed-up ${BEYOND} octaves beyond the last point is given ` +
        'with a 95% interval for the line of one more seed, and assumes that the line continues.',
      'Left out: width x4, recipes with 51,200 steps at the size `laptop`, and networks that predict epsilon: with ' +
        '800 steps, theirs did not reach the Wiener filter (experiment `speedup`).',
    ];
  },
  stages: [
    {
      name: 'rates',
      about: 'learning rates of each optimizer at each length and width, one seed.',
      trials: rateTrials,
    },
    {
      name: 'edges',
      about: 'two more learning rates if the best one is at an edge.',
      trials: (scale, { rates }) => edgeTrials(scale, rates!),
    },
    {
      name: 'confirm',
      about: 'the constant learning rates at the full length of the baseline, one seed.',
      trials: (scale, before) => confirmTrials(scale, allRates(before)),
    },
    {
      name: 'final',
      about: 'all recipes at all lengths and widths, one whole seed after the other.',
      trials: (scale, before) => finalTrials(scale, allRates(before), before['confirm']!),
    },
  ],
  conclude,
};

type Results = Readonly<Record<string, StageResults<CurveResult>>>;

/** Of the test images; undefined if it was not computed for the data. */
const wienerOf = (scale: Scale): Wiener | undefined =>
  finalSize[scale].data === 'mnist-12' ? validationBounds().ranges.wiener : undefined;

const none: StageResults<CurveResult> = new Map();
const allRates = ({ rates = none, edges = none }: Results): StageResults<CurveResult> => new Map([...rates, ...edges]);

function conclude(results: Results, scale: Scale): Conclusion {
  const { final = none } = results;
  const wiener = wienerOf(scale);
  const trends = trendsOf(final, { steps: pointsOf(scale, 'steps'), width: pointsOf(scale, 'width') }, wiener);
  const isOpen = trends.some(({ seeds }) => seeds.length < seedsOf(scale).length);
  return {
    ...(isOpen && { verdict: 'open' }),
    sentences: isOpen
      ? ['Undecided: too few runs are finished.']
      : [...trends.map(sentence), 'The models are small: the results do not say anything about ImageNet.'],
    tables: [
      ...axes.map((axis) => speedupTable(final, axis, pointsOf(scale, axis), wiener)),
      ...(trends.some(({ lines }) => lines !== undefined) ? [trendTable(trends)] : []),
      ...(wiener === undefined ? [] : gateTable(final, allPoints(scale), wiener)),
      ratesTable(results, allPoints(scale)),
    ],
    figures: axes.flatMap((axis) => figure(final, axis, pointsOf(scale, axis), wiener)),
    numbers: { trends },
  };
}

const isBound = (bounds: number): string => (bounds > 0 ? ` (${bounds} seeds: bounds)` : '');

function sentence({ axis, points, lines, overDecay }: Trend): string {
  const by = `By ${axisTitles[axis]} (${points.map((point) => pointTitle(point, axis)).join(', ')})`;
  if (lines === undefined)
    return `By ${axisTitles[axis]}: the baseline passes the gate at ${points.length} of the points only.`;
  const factor = (name: string) => {
    const { slope } = lines[name]!;
    return `${formatLogRatio(slope)}${isBound(slope.bounds)}`;
  };
  return (
    `${by}, the speed-up of CLTS with momentum decay is multiplied by ${factor('clts-mdlrc')} per octave, ` +
    `the one of linear decay by ${factor('linear')}` +
    (overDecay === undefined ? '.' : `; the ratio of these factors is ${formatMean(overDecay)}.`)
  );
}

const formatMean = ({ mean, low, high }: ConfidenceInterval): string =>
  formatLogRatio({ value: mean, low: low!, high: high! });

function speedupTable(final: StageResults<CurveResult>, axis: Axis, points: readonly Point[], wiener?: Wiener): Table {
  const atPoints = points.map((point) => speedups(final, point, wiener));
  return {
    title: `Speed-up in images by ${axisTitles[axis]}`,
    columns: [
      'recipe',
      ...points.map(
        (point) => `${pointTitle(point, axis)}${passesAt(final, point, wiener) ? '' : ' (gate not passed)'}`,
      ),
    ],
    rows: recipes.map(({ name, about }) => [
      about,
      ...atPoints.map((found) => {
        const estimate = found?.[name];
        return estimate === undefined ? '' : `${formatLogRatio(estimate)}${isBound(estimate.bounds)}`;
      }),
    ]),
  };
}

/** Also if the point has no run yet. */
const passesAt = (final: StageResults<CurveResult>, point: Point, wiener?: Wiener): boolean =>
  wiener === undefined || !final.has(finalName(baseline.name, point)) || gateAt(final, point, wiener)?.passes === true;

const pointTitle = ({ steps, width }: Point, axis: Axis): string =>
  axis === 'steps' ? `${steps} steps` : `width x${width}`;

function trendTable(trends: readonly Trend[]): Table {
  return {
    title: 'Factor of the speed-up per octave, and speed-up two octaves beyond the last point',
    columns: ['recipe', 'axis', 'points', 'seeds', 'factor per octave', 'p', 'bend', 'two octaves further'],
    rows: trends.flatMap(({ axis, points, seeds, lines = {} }) =>
      Object.entries(lines).map(([name, { slope, adjustedP, bend, beyond }]) => [
        name,
        axisTitles[axis],
        points.map((point) => pointTitle(point, axis)).join(', '),
        String(seeds.length),
        `${formatLogRatio(slope)}${isBound(slope.bounds)}`,
        adjustedP === undefined ? '' : adjustedP.toPrecision(2),
        bend === undefined ? '' : formatLogRatio(bend),
        beyond === undefined ? '' : formatMean(beyond),
      ]),
    ),
  };
}

function gateTable(final: StageResults<CurveResult>, points: readonly Point[], wiener: Wiener): Table[] {
  const rows = points.flatMap((point) => gateAt(final, point, wiener) ?? []);
  if (rows.length === 0) return [];
  return [
    {
      title: 'The gate: loss of the baseline over the Wiener filter’s by the lower end of the range in log SNR',
      columns: ['steps', 'width', ...rangeTitles(wiener.buckets.length), 'passes'],
      rows: rows.map(({ point, ratios, passes }) => [
        String(point.steps),
        `x${point.width}`,
        ...ratios.map((ratio) => (ratio === null ? '' : ratio.toFixed(3))),
        passes ? 'yes' : 'no',
      ]),
    },
  ];
}

function ratesTable(results: Results, points: readonly Point[]): Table {
  const [rates, { confirm = none, final = none }] = [allRates(results), results];
  const cell = (point: Point, family: Family): string => {
    const found = tunedRate(rates, point, family);
    if (found === undefined) return '';
    const chosen = finalRate(rates, confirm, point, family);
    return `${chosen}${chosen < found.fitted ? ' (halved)' : ''}${found.isEdge ? ' (edge)' : ''}`;
  };
  const parameters = (point: Point) => final.get(finalName(baseline.name, point))?.[0]?.parameters;
  return {
    title: final.size > 0 ? 'Learning rates of the finals' : 'Best learning rates so far',
    columns: ['steps', 'width', 'parameters', 'constant', 'linear decay', 'momentum decay'],
    rows: points.map((point) => [
      String(point.steps),
      `x${point.width}`,
      String(parameters(point) ?? ''),
      cell(point, 'constant'),
      cell(point, 'linear'),
      cell(point, 'mdlrc'),
    ]),
  };
}

/** Without points at which only a bound of the speed-up is known, or that do not pass the gate. */
function figure(final: StageResults<CurveResult>, axis: Axis, points: readonly Point[], wiener?: Wiener): Figure[] {
  const atPoints = points
    .filter((point) => passesAt(final, point, wiener))
    .map((point) => ({ x: point[axis], found: speedups(final, point, wiener) }));
  const series = recipes.flatMap(({ name }) => {
    const known = atPoints.flatMap(({ x, found }) => {
      const estimate = found?.[name];
      return estimate === undefined || estimate.bounds > 0 ? [] : [{ x, y: Math.exp(estimate.value) }];
    });
    return known.length === 0 ? [] : [{ name, x: known.map(({ x }) => x), y: known.map(({ y }) => y) }];
  });
  if (series.length === 0) return [];
  return [
    lineFigure({
      name: `by-${axis}`,
      caption: `Speed-up in images by ${axisTitles[axis]}, geometric mean over seeds; without points of which only bounds are known, or that do not pass the gate`,
      xTitle: axis === 'steps' ? 'steps' : 'width',
      yTitle: 'speed-up',
      logX: true,
      logY: true,
      level: 1,
      series,
    }),
  ];
}
