/** Is a large momentum harmful in diffusion training, if every momentum has its best learning rate? */
import {
  formatInterval,
  intervalFigure,
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
  bestRates,
  compensationSlope,
  excessOscillation,
  finalLoss,
  finalsByBeta,
  gridPoints,
  largestHessianError,
  inexactSeeds,
  lengthRatio,
  lowestAutocorrelation,
  pairedLogRatio,
  stepsToBase,
  type BestRate,
  type BetaFinals,
  type GridPoint,
  type StepsToValue,
} from './analysis.js';
import type { MomentumResult } from './run-trial.js';
import { BASE, betas, DIRECTIONS, finalTrials, gridTrials, stepsOf, windowOf, type MomentumTrial } from './trial.js';

/** Number of finals per beta1 without which an interval over seeds would be too wide to decide. */
const SEEDS = 3;

export const momentumGrid: Experiment<MomentumTrial, MomentumResult> = {
  name: 'momentum-grid',
  summary: 'a large momentum slows training and makes it oscillate',
  claim:
    'Since the loss landscape of diffusion models is so smooth, a large momentum slows convergence and causes ' +
    'oscillations (arXiv:2404.07946, abstract): the reason for momentum decay.',
  notice:
    'Two of these limitations do not apply to this experiment: its learning rates are tuned at its final length, and its ' +
    'loss is a geometric mean over noise buckets.',
  setup: (scale) => [
    `AdamW with beta1 in {${betas.join(', ')}} and beta2 = .999, each at eight learning rates in octave steps, for ` +
      `${stepsOf(scale)} steps: 100 horizons 1 / (1 - beta1) of the largest beta1. The learning rate is constant after a ` +
      'warm-up of 2% of the steps. Then each beta1 is trained at its best learning rate with fresh seeds. A UNet of ' +
      'two levels with 8 and 16 channels (41,609 parameters at 12x12), batch size 16, no weight decay, gradients clipped to ' +
      'norm 1, EMA half-life 5% of the images.',
    'The network predicts v: near pure noise, an epsilon network does not reach even the loss of a linear filter, and a ' +
      'comparison of optimizers would measure who repairs that. The loss is the geometric mean over ten noise buckets of ' +
      'equal width over log-SNR in [-5, 7], which does not depend on the prediction. The grid is measured on 5000 held-out ' +
      'training images, the finals on test images, 512 of them with one draw of noise per bucket, the same for all runs.',
    `In the finals, the parameters are recorded after each of the last ${windowOf(scale)} steps and projected on the top ` +
      `${DIRECTIONS} eigenvectors of the Hessian of the training loss at the last step (Lanczos). The measure of oscillation ` +
      'is the most negative autocorrelation of the displacements per step, over lags up to 200 steps: -1 for a sign change ' +
      'at each step, about 0 for a random walk. The minimum over many lags is negative by chance; the control is the same ' +
      `along ${DIRECTIONS} random directions. The path's length / the distance between its ends is also reported; a random ` +
      'walk has a large ratio too.',
    'The rule was set before the measurements. A beta1 is worse than another if the 95% interval (Student, paired by ' +
      'seed) of the ratio of their final losses is above 1, or if one of its finals diverged. The claim about speed holds if ' +
      'every beta1 above .9 is worse than .9; it does not hold if none of them is worse and no smaller beta1 is better. ' +
      'Otherwise it depends.',
  ],
  stages: [
    { name: 'grid', about: 'each beta1 at each learning rate, one seed.', trials: gridTrials },
    {
      name: 'final',
      about: 'each beta1 at its best learning rate, with fresh seeds.',
      trials: (scale, { grid }) =>
        finalTrials(scale, new Map(bestRates(gridPoints(grid!)).map(({ beta1, lr }) => [beta1, lr]))),
    },
  ],
  conclude,
};

function conclude(results: Readonly<Record<string, StageResults<MomentumResult>>>, scale: Scale): Conclusion {
  const points = gridPoints(results['grid'] ?? new Map());
  const finals = finalsByBeta(results['final'] ?? new Map());
  const best = bestRates(points);
  const base = finals.find(({ beta1 }) => beta1 === BASE);
  const others = base === undefined ? [] : finals.filter((one) => one !== base);
  const ratios = new Map(others.map((one) => [one.beta1, pairedLogRatio(one, base!, (result) => finalLoss(result))]));
  const diverged = new Map(
    finals.map((one) => [one.beta1, one.results.filter((result) => finalLoss(result) === null).length]),
  );
  const isOpen =
    ratios.size < betas.length - 1 ||
    (base?.results.length ?? 0) < SEEDS ||
    others.some(({ results: runs }) => runs.length < SEEDS);
  const slope = compensationSlope(best);
  const verdict = isOpen ? 'open' : speedVerdict(ratios, diverged);
  const key = `loss of beta1 .98 over .9, each at its best learning rate: ${formatOptional(ratios.get(0.98))}`;
  return {
    verdict,
    ...(!isOpen && { key }),
    sentences: [
      ...(isOpen
        ? ['Undecided: too few runs are finished.']
        : [
            speedSentence(ratios),
            ...divergedSentences(diverged),
            ...slopeSentences(slope, best),
            ...oscillationSentences(finals),
            ...inexactSentences(finals),
          ]),
      ...(scale === 'laptop'
        ? [
            'The model has 41,609 parameters, and the data is MNIST at 12x12: the results do not say anything about ImageNet.',
          ]
        : []),
    ],
    tables: [
      gridTable(points, best),
      ...(finals.length > 0 ? [finalsTable(finals, base, ratios), oscillationTable(finals)] : []),
    ],
    figures: [...gridFigure(points), ...oscillationFigure(finals)],
    numbers: {
      best,
      slope,
      ratios: Object.fromEntries(ratios),
      steps: base && Object.fromEntries(finals.map((one) => [one.beta1, stepsToBase(one, base)])),
      oscillation: Object.fromEntries(finals.map((one) => [one.beta1, excessOscillation(one)])),
    },
  };
}

type Ratios = ReadonlyMap<number, ConfidenceInterval | undefined>;

/**
 * `ratios` are the losses of each beta1 over the loss of .9; `diverged` is the number of finals of each beta1 that diverged.
 * Such a beta1 is worse than one none of whose finals did.
 */
export function speedVerdict(
  ratios: Ratios,
  diverged: ReadonlyMap<number, number> = new Map(),
): NonNullable<Conclusion['verdict']> {
  const entries = [...ratios];
  const failures = (beta1: number) => diverged.get(beta1) ?? 0;
  if (failures(BASE) > 0) return 'open';
  const isWorse = (beta1: number, ratio: ConfidenceInterval | undefined) =>
    failures(beta1) > 0 || (ratio?.low ?? 0) > 1;
  const larger = entries.filter(([beta1]) => beta1 > BASE).map(([beta1, ratio]) => isWorse(beta1, ratio));
  const isSmallerBetter = entries.some(
    ([beta1, ratio]) => beta1 < BASE && failures(beta1) === 0 && (ratio?.high ?? Infinity) < 1,
  );
  if (larger.every(Boolean)) return 'holds';
  return larger.some(Boolean) || isSmallerBetter ? 'depends' : 'does not hold';
}

function speedSentence(ratios: Ratios): string {
  const each = [...ratios].map(([beta1, ratio]) => `${beta1}: ${formatOptional(ratio)}`).join(', ');
  return `Final loss over that with beta1 .9, each beta1 at its best learning rate: ${each}.`;
}

function divergedSentences(diverged: ReadonlyMap<number, number>): string[] {
  const some = [...diverged].filter(([, count]) => count > 0);
  if (some.length === 0) return [];
  return [`Finals that diverged: ${some.map(([beta1, count]) => `${count} with beta1 ${beta1}`).join(', ')}.`];
}

function slopeSentences(slope: ReturnType<typeof compensationSlope>, best: readonly BestRate[]): string[] {
  if (slope === undefined) return [];
  const edges = best.filter(({ isEdge }) => isEdge).map(({ beta1 }) => beta1);
  return [
    `The best learning rate is proportional to (1 - beta1) to the power ${slope.value.toFixed(2)} [${slope.low.toFixed(2)}, ` +
      `${slope.high.toFixed(2)}]; the octave steps of the grid alone give a standard error of ${slope.gridError.toFixed(2)}. The ` +
      'compensation of the reconstructed MDLRC assumes 1.',
    ...(edges.length === 0
      ? []
      : [
          `With beta1 ${edges.join(', ')} the best learning rate is at the edge of the grid, so the optimum may be outside; it is left out of the power.`,
        ]),
  ];
}

function oscillationSentences(finals: readonly BetaFinals[]): string[] {
  const each = finals.flatMap((one) => {
    const excess = excessOscillation(one);
    return excess === undefined ? [] : [`${one.beta1}: ${formatInterval(excess)}`];
  });
  return each.length === 0
    ? []
    : [
        'Most negative autocorrelation of the displacements along the top Hessian eigenvectors minus along random ' +
          `directions (below 0: oscillates along sharp directions): ${each.join(', ')}.`,
      ];
}

function inexactSentences(finals: readonly BetaFinals[]): string[] {
  const some = finals.filter((one) => inexactSeeds(one) > 0);
  if (some.length === 0) return [];
  const counts = some.map((one) => `${inexactSeeds(one)} with beta1 ${one.beta1}`).join(', ');
  return [
    `Seeds whose oscillation is left out, since the error of their Hessian-vector products is above 0.05: ${counts}.`,
  ];
}

function gridTable(points: readonly GridPoint[], best: readonly BestRate[]): Table {
  const lrs = [...new Set(points.map(({ lr }) => lr))].toSorted((a, b) => a - b);
  const cell = (beta1: number, lr: number): string => {
    const point = points.find((one) => one.beta1 === beta1 && one.lr === lr);
    return point === undefined ? '' : (point.loss?.toPrecision(4) ?? 'diverged');
  };
  return {
    title: 'Grid: geometric mean of the loss, EMA weights, one seed',
    columns: ['learning rate', ...betas.map((beta1) => `beta1 ${beta1}`)],
    rows: [
      ...lrs.map((lr) => [String(lr), ...betas.map((beta1) => cell(beta1, lr))]),
      [
        'best, by parabola',
        ...betas.map((beta1) => best.find((one) => one.beta1 === beta1)?.fitted.toPrecision(2) ?? ''),
      ],
    ],
  };
}

function finalsTable(finals: readonly BetaFinals[], base: BetaFinals | undefined, ratios: Ratios): Table {
  const mean = ({ results }: BetaFinals, weights: 'raw' | 'ema'): string => {
    const values = results.map((result) => finalLoss(result, weights));
    if (values.includes(null)) return 'diverged';
    return (values.reduce<number>((sum, value) => sum + value!, 0) / values.length).toPrecision(4);
  };
  return {
    title: 'Finals: each beta1 at its best learning rate',
    columns: [
      'beta1',
      'learning rate',
      'seeds',
      'loss, EMA',
      'loss, raw',
      'EMA over beta1 .9',
      'steps to the value of .9',
    ],
    rows: finals.map((one) => [
      String(one.beta1),
      String(one.lr),
      String(one.results.length),
      mean(one, 'ema'),
      mean(one, 'raw'),
      formatOptional(ratios.get(one.beta1)),
      base === undefined ? '' : stepsToBase(one, base).map(formatSteps).join(', '),
    ]),
  };
}

function oscillationTable(finals: readonly BetaFinals[]): Table {
  const text = (value: number | undefined): string => value?.toPrecision(3) ?? '';
  return {
    title: 'Oscillation along the top Hessian eigenvectors and along random directions',
    columns: [
      'beta1',
      'lowest autocorrelation, eigenvectors',
      'random',
      'difference',
      'path length / distance, eigenvectors',
      'random',
      'error of Hessian-vector products',
    ],
    rows: finals.map((one) => [
      String(one.beta1),
      formatOptional(lowestAutocorrelation(one, 'eigenvectors')),
      formatOptional(lowestAutocorrelation(one, 'random')),
      formatOptional(excessOscillation(one)),
      text(lengthRatio(one, 'eigenvectors')),
      text(lengthRatio(one, 'random')),
      formatError(largestHessianError(one)),
    ]),
  };
}

function gridFigure(points: readonly GridPoint[]): Figure[] {
  const finite = points.filter(({ loss }) => loss !== null).toSorted((a, b) => a.beta1 - b.beta1 || a.lr - b.lr);
  if (finite.length === 0) return [];
  return [
    lineFigure({
      name: 'loss-by-learning-rate',
      caption: 'Geometric mean of the loss over noise buckets against the learning rate, EMA weights, one seed',
      xTitle: 'learning rate',
      yTitle: 'geometric mean of the loss',
      logX: true,
      logY: true,
      series: betas.map((beta1) => {
        const own = finite.filter((point) => point.beta1 === beta1);
        return { name: `beta1 ${beta1}`, x: own.map(({ lr }) => lr), y: own.map(({ loss }) => loss!) };
      }),
    }),
  ];
}

function oscillationFigure(finals: readonly BetaFinals[]): Figure[] {
  const rows = finals.flatMap((one) =>
    (['eigenvectors', 'random'] as const).flatMap((group) => {
      const value = lowestAutocorrelation(one, group);
      return value === undefined ? [] : [{ name: `beta1 ${one.beta1}`, group, ...value }];
    }),
  );
  if (rows.length === 0) return [];
  return [
    intervalFigure({
      name: 'oscillation',
      caption:
        'Most negative autocorrelation of the displacements of the parameters, mean over directions, interval over seeds',
      xTitle: 'autocorrelation',
      rows,
      reference: 0,
    }),
  ];
}

function formatOptional(value: ConfidenceInterval | undefined): string {
  return value === undefined ? '' : formatInterval(value);
}

function formatError(error: number | null | undefined): string {
  if (error === undefined) return '';
  return error === null ? 'not finite' : error.toPrecision(3);
}

function formatSteps({ steps, bound }: StepsToValue): string {
  const prefix = bound === undefined ? '' : bound === 'atLeast' ? 'more than ' : 'at most ';
  return `${prefix}${steps.toFixed(0)}`;
}
