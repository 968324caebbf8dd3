/** Are timesteps near pure noise easier to learn, and does the noise rate indicate their difficulty? */
import { difficulty, type DifficultyReport } from '@dm/eval';
import {
  finalSeeds,
  finalSize,
  confidenceInterval,
  formatInterval,
  scaleCaveats,
  lineFigure,
  recipeAtScale,
  truncateForSmoke,
  trialGrid,
  type Arm,
  type Conclusion,
  type Experiment,
  type Figure,
  type ConfidenceInterval,
  type Scale,
  type StageResults,
  type Trial,
} from '@dm/experiments';
import type { DifficultyResult } from './run-trial.js';

/** Measures of difficulty to correlate with the noise rate, and their names in tables. */
const measures = {
  finalLoss: 'final loss',
  timeWithin10OfFinal: 'steps to within 10 % of the final loss',
  timeWithin10OfDrop: 'steps to 90 % of the way down',
  meanGradNorm: 'gradient norm',
} as const;
type Measure = keyof typeof measures;

/** Number of measurements per run, in addition to the one at its start. */
const MEASUREMENTS: Readonly<Record<Scale, number>> = { smoke: 3, laptop: 20, full: 40 };
const IMAGES: Readonly<Record<Scale, number>> = { smoke: 64, laptop: 19_200, full: finalSize.full.images };

function arms(scale: Scale): Arm[] {
  return (['epsilon', 'x0', 'v'] as const).map((prediction) => ({
    name: prediction,
    about: `the network predicts ${prediction}, and its loss is the MSE of that`,
    recipe: recipeAtScale(scale, { prediction, optimizer: { lr: 0.01, decay: { linearTo: 0.1 } } }),
  }));
}

export const difficultyExperiment: Experiment<Trial, DifficultyResult> = {
  name: 'difficulty',
  summary: 'the noisier, the easier to learn',
  claim:
    'Timesteps near pure noise are easier to learn, and the noise rate is an explicit indicator of difficulty ' +
    '(arXiv:2404.07946, abstract).',
  setup: (scale) => [
    `Three networks, which predict epsilon, x0, and v, are trained on ${IMAGES[scale]} images each, with AdamW, a learning ` +
      'rate that decays linearly from 0.01 to one tenth, uniform timesteps, and unweighted MSE. The prediction target ' +
      'determines which timesteps have a small loss, because the errors of epsilon, x0, and v differ by a factor that ' +
      'depends on the noise level.',
    'Loss and gradient norm are measured with the raw weights on 32 held-out images, with the same images and noise in ' +
      'each of 10 equal ranges of timesteps. A negative rank correlation with the noise rate means that noisier timesteps ' +
      'are easier. Intervals are 95 % confidence intervals over seeds (Student) and can extend beyond -1 and 1.',
  ],
  stages: [
    {
      name: 'training',
      about: 'each prediction target with each seed.',
      trials: (scale) =>
        trialGrid(
          'training',
          truncateForSmoke(arms(scale), scale, 2),
          { ...finalSize[scale], images: IMAGES[scale], validations: MEASUREMENTS[scale], sampleEvaluations: 0 },
          finalSeeds[scale],
        ),
    },
  ],
  conclude,
};

function conclude(results: Readonly<Record<string, StageResults<DifficultyResult>>>, scale: Scale): Conclusion {
  const reports = [...results['training']!].map(
    ([name, trials]) => [name, trials.map(({ buckets, records }) => difficulty(buckets, records))] as const,
  );
  const correlations = reports.flatMap(([arm, ofSeeds]) =>
    (Object.keys(measures) as Measure[]).flatMap((measure) => {
      const values = ofSeeds.flatMap(({ rankCorrelations }) => rankCorrelations[measure] ?? []);
      return values.length === 0 ? [] : [{ arm, measure, ...confidenceInterval(values) }];
    }),
  );
  const seen = correlations.map(direction);
  const count = (which: string) => seen.filter((one) => one === which).length;
  const open = reports.length < 3 || count('unknown') > 0;
  const verdict = open
    ? 'open'
    : count('easier') === seen.length
      ? 'holds'
      : count('easier') === 0
        ? 'does not hold'
        : 'depends';
  return {
    verdict,
    ...(!open && { key: `noisier is easier by ${count('easier')} of ${seen.length} measures` }),
    sentences: [
      open
        ? 'Undecided: too few runs are finished.'
        : `Of ${seen.length} combinations of prediction target and measure, noisier is easier by ${count('easier')}, harder by ` +
          `${count('harder')}, and ${count('neither')} show no clear order.`,
      ...(open ? [] : correlations.map((c) => `${c.arm}, ${measures[c.measure]}: ${formatInterval(c)}.`)),
      scaleCaveats[scale],
    ],
    tables: [
      {
        title: 'Rank correlation with the noise rate',
        columns: ['target', 'measure', 'seeds', 'correlation', 'noisier is'],
        rows: correlations.map((c) => [c.arm, measures[c.measure], String(c.n), formatInterval(c), direction(c)]),
      },
    ],
    figures: reports.length === 0 ? [] : figures(reports),
    numbers: { correlations },
  };
}

function direction({ low, high }: ConfidenceInterval): 'easier' | 'harder' | 'neither' | 'unknown' {
  if (low === undefined || high === undefined) return 'unknown';
  if (high < 0) return 'easier';
  return low > 0 ? 'harder' : 'neither';
}

function figures(reports: readonly (readonly [string, readonly DifficultyReport[]])[]): Figure[] {
  const figure = (name: string, title: string, of: (report: DifficultyReport) => (number | null)[]) => {
    const series = reports.flatMap(([arm, ofSeeds]) =>
      ofSeeds.map((report) => {
        const points = of(report).flatMap((y, b) => (y === null ? [] : [[report.buckets[b]!.noiseRate, y] as const]));
        return { name: arm, x: points.map(([x]) => x), y: points.map(([, y]) => y) };
      }),
    );
    const caption = `${title[0]!.toUpperCase()}${title.slice(1)} by noise rate, mean and range over seeds`;
    return lineFigure({ name, caption, xTitle: 'noise rate sqrt(1 - abar)', yTitle: title, series });
  };
  return [
    figure('final-loss', measures.finalLoss, ({ buckets }) => buckets.map(({ finalLoss }) => finalLoss)),
    figure('time', measures.timeWithin10OfDrop, ({ buckets }) =>
      buckets.map(({ times }) => times.find(({ within }) => within === 0.1)!.ofDrop),
    ),
    figure('gradient', measures.meanGradNorm, ({ buckets }) => buckets.map(({ meanGradNorm }) => meanGradNorm)),
  ];
}
