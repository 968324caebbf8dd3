/** Sentences and figures that the experiments on training share. */
import type { Scale, Size } from '../recipe/sizes.js';
import type { StageResults } from '../trial/result.js';
import { lineFigure, type Figure } from './figure.js';
import { metricCurve, metricTitles, type Metric, type Weights } from './metrics.js';

/** How the numbers of a size are measured, for the README. */
export function measurementMethod({ samples, samplerSteps, validationImages }: Size): string {
  return (
    `Validation loss: plain epsilon-MSE on ${validationImages} held-out images at fixed noise and timesteps, uniform over t. ` +
    `FD-classifier and KD-classifier: Fréchet and kernel distance of ${samples} samples (DDIM, ${samplerSteps} steps) to the ` +
    'held-out images, in the features of a small classifier of the same data: no FID, no KID.'
  );
}

/** What models and data of a configuration are, and what they cannot decide. */
export const scaleCaveats: Readonly<Record<Scale, string>> = {
  smoke: 'A smoke run shows that the experiment works, and nothing else.',
  laptop: 'This is a model of 160 345 parameters on MNIST at 12x12: it decides nothing about ImageNet.',
  full: '',
};

/** In a smoke run the first few are enough. */
export function truncateForSmoke<T>(all: readonly T[], scale: Scale, count: number): readonly T[] {
  return scale === 'smoke' ? all.slice(0, count) : all;
}

/** A figure of a metric over the images seen, a line an arm: mean and range over seeds. */
export function curveFigure(results: StageResults, metric: Metric, weights: Weights): Figure[] {
  if (results.size === 0) return [];
  const of = `${metricTitles[metric]} of the ${weights === 'raw' ? 'raw' : 'EMA'} weights`;
  return [
    lineFigure({
      name: `${metric}-${weights}`,
      caption: `${of[0]!.toUpperCase()}${of.slice(1)}, mean and range over seeds`,
      xTitle: 'images seen',
      yTitle: metricTitles[metric],
      logY: true,
      series: [...results].flatMap(([name, trials]) =>
        trials.map((trial) => {
          const { images, value } = metricCurve(trial, metric, weights);
          return { name, x: images, y: value };
        }),
      ),
    }),
  ];
}

/**
 * What a reader must know before any verdict of these experiments: why the runs of this configuration cannot decide a
 * claim of the paper. Undefined if nothing is known against them.
 */
export function regimeNotice(scale: Scale): string | undefined {
  return scale === 'full'
    ? undefined
    : 'These results decide nothing about the paper. The runs are so short that the baseline has not yet reached the loss ' +
        "of a linear (Wiener) filter of the data, which needs no training; the baseline's learning rate was not tuned at its " +
        'final length; the intervals come from three seeds, and the validation loss is mostly that of the timesteps below 250. ' +
        'They show that the machinery works. A pre-registered experiment will replace them: CIFAR-10 at 16x16, a tuned ' +
        'baseline, the Wiener filter as a bound in every range of noise, and statistics paired by seed.';
}

/**
 * Added to the notice by experiments that quote how much sooner the best recipe reaches the baseline. The 2.8 comes from
 * committed results of seed 0; experiments-page.test.ts computes it.
 */
export const bestRecipeNotice =
  'In particular, "at least 4.00 times as soon" is measured against an untuned learning rate: against a tuned one (0.005 ' +
  'in place of 0.01) it is about 2.8 times, one seed, at this scale.';
