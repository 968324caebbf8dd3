/** Text and figures shared by the experiments. */
import type { Scale, Size } from '../recipe/sizes.js';
import type { StageResults } from '../trial/result.js';
import { lineFigure, type Figure } from './figure.js';
import { metricCurve, metricTitles, type Metric, type Weights } from './metrics.js';

/** Describes the metrics, for the README. */
export function measurementMethod({ samples, samplerSteps, validationImages }: Size): string {
  return (
    `Validation loss: unweighted MSE of epsilon on ${validationImages} held-out images with fixed noise and timesteps, uniform over t. ` +
    'Its geometric mean over the four quarters of t gives the noisy ones the same weight; t < 250 dominates the mean. ' +
    'The Wiener filter and the posterior mean are denoisers in closed form, fitted to all training images. ' +
    `FD-classifier and KD-classifier: Fréchet and kernel distances between ${samples} samples (DDIM, ${samplerSteps} steps) and ` +
    'the held-out images, in the features of a small classifier trained on the same data. They are not FID and KID.'
  );
}

/** What the results of a configuration cannot show. */
export const scaleCaveats: Readonly<Record<Scale, string>> = {
  smoke: 'A smoke run only shows that the experiment works.',
  laptop:
    'The model has 160,345 parameters, and the data is MNIST at 12x12: the results do not say anything about ImageNet.',
  full: '',
};

/** The first `count` items in a smoke run, otherwise all. */
export function truncateForSmoke<T>(all: readonly T[], scale: Scale, count: number): readonly T[] {
  return scale === 'smoke' ? all.slice(0, count) : all;
}

/** A plot of a metric against images seen, one line per arm: mean and range over seeds. */
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
 * The notice at the top of all results: why runs of this configuration cannot decide a claim of the paper. Undefined
 * for `full`, which has no known limitation.
 */
export function regimeNotice(scale: Scale): string | undefined {
  return scale === 'full'
    ? undefined
    : 'These results decide nothing about the paper. The runs are so short that at t >= 250 the baseline has not yet ' +
        "reached the loss of a linear (Wiener) filter of the data, which needs no training; the baseline's learning rate was not tuned at its " +
        'final length; the intervals come from three seeds; and the timesteps below 250 dominate the validation loss. The ' +
        'results only show that the experiments work. A pre-registered experiment on CIFAR-10 at 16x16 will replace them, ' +
        'with a tuned baseline, the Wiener filter as a bound at every noise level, and statistics paired by seed.';
}

/**
 * Added to the notice of `speedup`, which quotes a speed-up of the best recipe of an earlier search. The 2.8 is computed
 * from committed results of seed 0 in experiments-page.test.ts.
 */
export const bestRecipeNotice =
  'In particular, the speed-up of "at least 4.00" is relative to an untuned learning rate: relative to a tuned one (0.005 ' +
  'instead of 0.01), it is about 2.8 times, with one seed, at this scale.';
