/** Which recipe reaches the baseline's quality with the fewest images? A search that reports everything it tried. */
import {
  bestRecipeNotice,
  armTable,
  compareArms,
  curveFigure,
  finalSeeds,
  finalSize,
  runLengthFigure,
  stepsToTargetByRunLength,
  runLengthTable,
  scaleCaveats,
  formatInterval,
  measurementMethod,
  pairedRatio,
  stepsToTargetByArm,
  stepsToTargetTable,
  screeningSize,
  shortTrials,
  truncateForSmoke,
  formatSpeedup,
  trialGrid,
  type Arm,
  type Conclusion,
  type Experiment,
  type Scale,
  type StageResults,
} from '@dm/experiments';
import { withChanges, referenceArms, singleChangeArms } from './arms.js';
import { combinations, finalists, winningArm } from './selection.js';

/** Finalists are also trained on 1/2 and 1/4 of the images. */
const DIVISORS = [2, 4] as const;

/** The goal: three times as fast as the baseline. */
const GOAL = 3;

type Before = Readonly<Record<string, StageResults>>;

export const best: Experiment = {
  name: 'best',
  summary: 'our best recipe is 3 times as fast',
  claim:
    'A modern recipe reaches the quality of the baseline in a third of the steps. This is our goal, not a claim of the paper.',
  notice: bestRecipeNotice,
  setup: (scale) => [
    'The search starts from Muon with a cosine decay, the best optimizer of the experiment momentum, and changes one part ' +
      'at a time: timestep sampler, loss weights, coupling of noise to images (immiscible diffusion), prediction target, ' +
      'learning rates, EMA length, batch schedule, or noise schedule, with one seed on ' +
      `${screeningSize[scale].images} images. Then the three changes of different parts that reduce the FD-classifier (EMA) ` +
      'most are combined, in pairs and all together, and likewise the three that most reduce the product of FD-classifier ' +
      'and validation loss.',
    'The recipe with the lowest FD-classifier and the one with the lowest product of it and the validation loss ' +
      `are the finalists. They are trained with ${finalSeeds[scale].length} seeds on ${finalSize[scale].images} images, and on ` +
      `${DIVISORS.map((divisor) => `1/${divisor}`).join(' and ')} of them, because a recipe with a learning-rate decay is good ` +
      'only at the end of the decay. The speed-up is the number of images of the baseline run / the number of images with ' +
      "which a complete run of the recipe reaches the baseline's final value (mean over seeds), interpolated between the run " +
      'lengths, per seed. The winner is the recipe with the largest speed-up to the FD-classifier, among those whose seeds ' +
      "all reach the baseline's validation loss too.",
    'The baseline is AdamW with uniform timesteps and a constant learning rate of 0.01, the best of four in the experiment ' +
      'momentum; the experiment speedup has other learning rates at this run length. Predictions of v and x0 are converted ' +
      'to epsilon for the validation loss. With another noise schedule, the validation loss is not comparable; compare only ' +
      'the sample metrics.',
    measurementMethod(finalSize[scale]),
  ],
  stages: [
    {
      name: 'search',
      about: 'the start of the search and each single change, one seed.',
      trials: (scale) =>
        trialGrid(
          'search',
          truncateForSmoke([...referenceArms(scale), ...singleChangeArms(scale)], scale, 4),
          screeningSize[scale],
          [0],
        ),
    },
    {
      name: 'together',
      about: 'combinations of the changes that helped, one seed.',
      trials: (scale, before) =>
        trialGrid(
          'together',
          truncateForSmoke(combinations(scale, before['search']!), scale, 1),
          screeningSize[scale],
          [0],
        ),
    },
    {
      name: 'final',
      about: 'the finalists, the baseline, AdamW with a learning-rate decay, and the start of the search.',
      trials: (scale, before) =>
        trialGrid(
          'final',
          [
            ...truncateForSmoke([...referenceArms(scale), withChanges(scale, 'muon', [])], scale, 1),
            ...chosen(scale, before),
          ],
          finalSize[scale],
          finalSeeds[scale],
        ),
    },
    {
      name: 'short',
      about: 'complete runs of the finalists on fewer images.',
      trials: (scale, before) =>
        chosen(scale, before).flatMap((arm) =>
          shortTrials('short', arm, finalSize[scale], truncateForSmoke(DIVISORS, scale, 1), finalSeeds[scale]),
        ),
    },
  ],
  conclude,
};

function chosen(scale: Scale, before: Before): readonly Arm[] {
  const arms = [...singleChangeArms(scale), ...combinations(scale, before['search']!)];
  const searched: StageResults = new Map([...before['search']!, ...before['together']!]);
  return truncateForSmoke(finalists(arms, searched), scale, 1);
}

function ratioText(final: StageResults, name: string, metric: 'fd' | 'validation'): string {
  const ratio = pairedRatio(final.get(name)!, final.get('baseline')!, metric, 'ema');
  return ratio === undefined ? 'unknown' : formatInterval(ratio);
}

function conclude(results: Before, scale: Scale): Conclusion {
  const {
    search,
    together: combined,
    final,
    short,
  } = results as Record<'search' | 'together' | 'final' | 'short', StageResults>;
  const byLength = stepsToTargetByRunLength(final, short, 'baseline');
  const seeds = finalSeeds[scale].length;
  const isFinished = (stage: StageResults) =>
    stage.size > 0 && seeds > 1 && [...stage.values()].every(({ length }) => length === seeds);
  const name = isFinished(final) ? winningArm(final, byLength) : undefined;
  const won = name === undefined ? undefined : byLength[name];
  const isDone = isFinished(final) && isFinished(short);
  const isFast = (metric: string) => (won?.[metric]?.speedup?.mean ?? 0) >= GOAL;
  const fast = [isFast('fd ema'), isFast('validation ema')];
  const verdict = !isDone ? 'open' : fast.every(Boolean) ? 'holds' : fast.some(Boolean) ? 'depends' : 'does not hold';
  const speedupSentences = Object.entries(byLength).map(
    ([arm, byMetric]) =>
      `Speed-up of ${arm}: ${formatSpeedup(byMetric['fd ema']!)} to the FD-classifier, ` +
      `${formatSpeedup(byMetric['validation ema']!)} to the validation loss.`,
  );
  return {
    verdict,
    sentences: [
      !isDone
        ? name === undefined
          ? 'Undecided: the shorter runs are not finished.'
          : `The speed-up is not measured yet. The winner is ${name} (${final.get(name)![0]!.about}): with the same number of ` +
            `images as the baseline, it reaches ${ratioText(final, name, 'fd')} times its FD-classifier and ` +
            `${ratioText(final, name, 'validation')} times its validation loss (EMA weights, paired by seed).`
        : won === undefined
          ? "No recipe reaches both the baseline's final FD-classifier and its final validation loss with every seed."
          : `The winner is ${name} (${final.get(name!)![0]!.about}). Its speed-up in images is ` +
            `${formatSpeedup(won['fd ema']!)} to the baseline's FD-classifier and ` +
            `${formatSpeedup(won['validation ema']!)} to its validation loss (complete runs, EMA weights).`,
      ...[...final.keys()]
        .filter((arm) => arm !== 'baseline')
        .map((arm) => `With the same number of steps, ${compareArms(final, arm, 'baseline').sentence}`),
      ...(isDone ? speedupSentences : []),
      scaleCaveats[scale],
    ],
    tables: [
      runLengthTable("Speed-up in images to the baseline's final value, complete runs", final, short, 'baseline'),
      stepsToTargetTable("Speed-up in images to the baseline's final value, within one run", final, 'baseline'),
      armTable('Finals', final, 'baseline'),
      armTable('Complete runs of the finalists on fewer images', short),
      armTable('Combinations, one seed', combined),
      armTable('The search, one seed', search, 'baseline'),
    ],
    figures: [
      ...runLengthFigure(final, short, 'baseline', 'fd'),
      ...runLengthFigure(final, short, 'baseline', 'validation'),
      ...curveFigure(final, 'validation', 'ema'),
    ],
    numbers: { winner: name ?? null, byLength, within: stepsToTargetByArm(final, 'baseline') },
  };
}
