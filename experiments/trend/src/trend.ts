/** Does the speed-up of a recipe grow with the length of the training, or with the width of the model? */
import {
  finalSize,
  lineFigure,
  type ConfidenceInterval,
  type Conclusion,
  type CurveResult,
  type CurveTrial,
  type Experiment,
  type Figure,
  type Scale,
  type StageResults,
  type Table,
} from '@dm/experiments';
import { BEYOND, meanSpeedup, trendOf, type Trend } from './analysis.js';
import {
  allPoints,
  axes,
  BASELINE_LENGTH,
  BASELINE_TUNING,
  batchSizeOf,
  edgeTrials,
  finalTrials,
  measurementsOf,
  pointsOf,
  rateTrials,
  recipes,
  seedsOf,
  tunedRate,
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
  notice:
    'Most of these limitations do not apply to this experiment: learning rates are tuned at each length and width, the ' +
    'networks predict v, the loss is a geometric mean over noise buckets, and the speed-ups are paired by seed.',
  setup: (scale) => {
    const { holdOut, lossImages } = measurementsOf(scale);
    const [steps, widths] = axes.map((axis) => pointsOf(scale, axis));
    return [
      `${finalSize[scale].data}, v-prediction, batch size ${batchSizeOf(scale)}. The speed-up of a recipe is the number of images of the ` +
        `baseline (uniform timesteps, constant learning rate, trained ${BASELINE_LENGTH} times as long) with the same seed at an equal ` +
        "loss, divided by the recipe's own; beyond the ends of the baseline's curve it is a bound. The loss is the geometric mean " +
        'over ten noise buckets of equal width over log-SNR in [-5, 7], of EMA weights with a half-life of 5% of the images seen.',
      `Steps: ${steps!.map((point) => point.steps).join(', ')} at width 1. Widths: ${widths!.map(({ width }) => width).join(', ')} at ` +
        `${widths![0]!.steps} steps. Learning rates are tuned at each of them for constant rates (with ${BASELINE_TUNING} times the steps, in ` +
        "the middle of the baseline's curve), linear decay, and momentum decay, in octaves, and in two more if the best one is " +
        `at an edge, on ${lossImages} of ${holdOut} held-out training images with one seed. The finals have other seeds and ${lossImages} ` +
        'test images. All seeds have the same learning rates, so the intervals do not contain the error of their choice.',
      'A line through the log speed-ups against the logarithm of length or width is fitted for each seed, if none of them is a ' +
        `bound. Its slope, per octave, has a 95% interval over seeds (Student). The speed-up ${BEYOND} octaves beyond the last point is given ` +
        'with a 95% interval for one more run, and assumes that the line continues.',
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
      name: 'final',
      about: 'all recipes at all lengths and widths, one whole seed after the other.',
      trials: (scale, { rates, edges }) => finalTrials(scale, new Map([...rates!, ...edges!])),
    },
  ],
  conclude,
};

interface TrendRow extends Trend {
  readonly recipe: string;
  readonly axis: Axis;
}

function conclude(results: Readonly<Record<string, StageResults<CurveResult>>>, scale: Scale): Conclusion {
  const rates = new Map([...(results['rates'] ?? []), ...(results['edges'] ?? [])]);
  const final = results['final'] ?? new Map<string, CurveResult[]>();
  const rows = recipes.flatMap(({ name }) =>
    axes.flatMap((axis): TrendRow[] => {
      const found = trendOf(final, name, axis, pointsOf(scale, axis));
      return found === undefined ? [] : [{ recipe: name, axis, ...found }];
    }),
  );
  const isOpen = rows.length < recipes.length * axes.length || rows.some(({ seeds }) => seeds < seedsOf(scale).length);
  const method = rows.filter(({ recipe }) => recipe === 'clts-mdlrc');
  return {
    ...(isOpen && { verdict: 'open' }),
    sentences: isOpen
      ? ['Undecided: too few runs are finished.']
      : [
          ...method.map(({ axis, line, bounds }) =>
            line === undefined
              ? `CLTS with momentum decay by ${axisTitles[axis]}: ${bounds} of its speed-ups are only bounds, so they have no slope.`
              : `CLTS with momentum decay: the speed-up is multiplied by ${formatRatio(line.slope)} per octave of the ` +
                `${axisTitles[axis]}; ${BEYOND} octaves further the line predicts ${formatRatio(line.beyond)}.`,
          ),
          'The models are small: the results do not say anything about ImageNet.',
        ],
    tables: [
      ...axes.map((axis) => speedupTable(final, axis, pointsOf(scale, axis))),
      ...(rows.length > 0 ? [trendTable(rows)] : []),
      ratesTable(rates, allPoints(scale)),
    ],
    figures: axes.flatMap((axis) => figure(final, axis, pointsOf(scale, axis))),
    numbers: { trends: rows },
  };
}

/** Logarithms as ratios, as in `1.10 [0.98, 1.24]`. */
function formatRatio({ mean, low, high }: Pick<ConfidenceInterval, 'mean' | 'low' | 'high'>): string {
  const text = (log: number) => (Number.isFinite(log) ? Math.exp(log).toFixed(2) : 'no end');
  return low === undefined || high === undefined ? text(mean) : `${text(mean)} [${text(low)}, ${text(high)}]`;
}

function speedupTable(final: StageResults<CurveResult>, axis: Axis, points: readonly Point[]): Table {
  return {
    title: `Speed-up in images by ${axisTitles[axis]}`,
    columns: [
      'recipe',
      ...points.map((point) => (axis === 'steps' ? `${point.steps} steps` : `width x${point.width}`)),
    ],
    rows: recipes.map(({ name, about }) => [
      about,
      ...points.map((point) => {
        const found = meanSpeedup(final, name, point);
        if (found === undefined) return '';
        return `${formatRatio(found)}${found.bounds > 0 ? ` (${found.bounds} of ${found.n} are bounds)` : ''}`;
      }),
    ]),
  };
}

function trendTable(rows: readonly TrendRow[]): Table {
  return {
    title: 'Factor of the speed-up per octave, and speed-up two octaves beyond the last point',
    columns: ['recipe', 'axis', 'seeds', 'factor per octave', 'two octaves further', 'bounds'],
    rows: rows.map(({ recipe, axis, seeds, line, bounds }) => [
      recipe,
      axisTitles[axis],
      String(seeds),
      line === undefined ? '' : formatRatio(line.slope),
      line === undefined ? '' : formatRatio(line.beyond),
      String(bounds),
    ]),
  };
}

function ratesTable(rates: StageResults<CurveResult>, points: readonly Point[]): Table {
  const cell = (point: Point, family: Family): string => {
    const found = tunedRate(rates, point, family);
    return found === undefined ? '' : `${found.lr}${found.isEdge ? ' (edge)' : ''}`;
  };
  return {
    title: 'Best learning rates',
    columns: ['steps', 'width', 'constant', 'linear decay', 'momentum decay'],
    rows: points.map((point) => [
      String(point.steps),
      `x${point.width}`,
      cell(point, 'constant'),
      cell(point, 'linear'),
      cell(point, 'mdlrc'),
    ]),
  };
}

function figure(final: StageResults<CurveResult>, axis: Axis, points: readonly Point[]): Figure[] {
  const series = recipes.flatMap(({ name }) => {
    const found = points.flatMap((point) => {
      const mean = meanSpeedup(final, name, point);
      return mean === undefined ? [] : [{ x: point[axis], y: Math.exp(mean.mean) }];
    });
    return found.length === 0 ? [] : [{ name, x: found.map(({ x }) => x), y: found.map(({ y }) => y) }];
  });
  if (series.length === 0) return [];
  return [
    lineFigure({
      name: `by-${axis}`,
      caption: `Speed-up in images by ${axisTitles[axis]}, geometric mean over seeds`,
      xTitle: axis === 'steps' ? 'steps' : 'width',
      yTitle: 'speed-up',
      logX: true,
      logY: true,
      level: 1,
      series,
    }),
  ];
}
