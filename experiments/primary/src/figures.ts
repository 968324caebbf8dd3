/** The figures of the page. */
import { lineFigure, type Figure } from '@dm/experiments';
import { completeSeeds, untilFailure, type References } from './analysis.js';
import type { TrialResult } from './results.js';
import type { Size } from './sizes.js';
import { predictionsOf } from './trials.js';

/**
 * E1 over learning rates of the trials of tuning, and over images of the finals. Parts without results, and prediction
 * types without a complete seed, have no figure.
 */
export function figuresOf(done: readonly TrialResult[], size: Size, references: References): Figure[] {
  const tuning = done.filter((run) => run.stage === 'tuning' && run.points.length > 0 && Number.isFinite(e1(run)));
  const finals = done.filter(({ stage }) => stage === 'finals').map((result) => untilFailure(result, references));
  return [
    ...(tuning.length > 0 ? [learningRates(tuning)] : []),
    ...predictionsOf(size).flatMap((prediction) => {
      // Of incomplete seeds, a line would connect means over different seeds.
      const seeds = completeSeeds(finals, size, [prediction]);
      const shown = finals.filter((run) => run.prediction === prediction && seeds.includes(run.seed));
      return seeds.length === 0 ? [] : [lossOverImages(prediction, seeds, shown)];
    }),
  ];
}

const e1 = ({ points }: TrialResult) => points.at(-1)!.losses['ema']!.geometricMean;

/** Higher values, as a multiple of the lowest, are not drawn: the others would look alike. */
const outlier = 1.5;

function left(count: number): string {
  if (count === 0) return '';
  return ` ${count === 1 ? '1 value is' : `${count} values are`} more than ${outlier} times the lowest, and left out.`;
}

function learningRates(tuning: readonly TrialResult[]): Figure {
  const nameOf = ({ prediction, recipe, steps }: TrialResult) => `${prediction}, ${recipe}, ${steps} steps`;
  const most = outlier * Math.min(...tuning.map(e1));
  const shown = tuning.filter((run) => e1(run) <= most);
  // Of the lengths at which several rates were tried.
  const isCurve = (name: string) => new Set(shown.filter((run) => nameOf(run) === name).map(({ lr }) => lr)).size > 1;
  const names = [...new Set(shown.map(nameOf))].filter(isCurve);
  return lineFigure({
    name: 'learning-rates',
    caption: `E1 on held-out training images over the learning rate.${left(tuning.length - shown.length)}`,
    xTitle: 'learning rate',
    yTitle: 'E1',
    logX: true,
    series: names.map((name) => {
      const runs = shown.filter((run) => nameOf(run) === name).toSorted((a, b) => a.lr - b.lr);
      return { name, x: runs.map(({ lr }) => lr), y: runs.map(e1) };
    }),
  });
}

/** A mean with failed runs is of fewer seeds than the others. */
function leftOut(failed: number): string {
  if (failed === 0) return '';
  return ` ${failed === 1 ? '1 run' : `${failed} runs`} failed; what they reached from then on is left out.`;
}

/** One line per recipe and seed: the baseline at several lengths of one run, the others at the ends of two runs. */
function lossOverImages(prediction: string, seeds: readonly number[], finals: readonly TrialResult[]): Figure {
  const failed = finals.filter(({ hasDiverged }) => hasDiverged).length;
  const recipes = [...new Set(finals.map(({ recipe }) => recipe))];
  return lineFigure({
    name: `loss-${prediction}`,
    caption: `E1 on test images over training images, ${prediction}-prediction, seeds ${seeds.join(', ')}: mean, and range of the seeds.${leftOut(failed)}`,
    xTitle: 'training images',
    yTitle: 'E1',
    logX: true,
    series: recipes.flatMap((recipe) =>
      seeds.map((seed) => {
        const points = finals
          .filter((run) => run.recipe === recipe && run.seed === seed)
          .flatMap((run) => run.points)
          .toSorted((a, b) => a.images - b.images);
        return {
          name: recipe,
          x: points.map(({ images }) => images),
          y: points.map(({ losses }) => losses['ema']!.geometricMean),
        };
      }),
    ),
  });
}
