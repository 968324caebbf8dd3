/** Which recipe reaches the baseline's quality soonest? A search that reports all it tried. */
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

/** Finalists are also trained whole on one in so many of the images. */
const DIVISORS = [2, 4] as const;

/** Three times as fast as the baseline is the goal. */
const GOAL = 3;

type Before = Readonly<Record<string, StageResults>>;

export const best: Experiment = {
  name: 'best',
  summary: 'our best recipe is 3 times as fast',
  claim:
    'A recipe of today reaches the quality of the baseline in a third of the steps: our goal, no claim of the paper.',
  notice: bestRecipeNotice,
  setup: (scale) => [
    `The search starts from Muon with a cosine decay, the best of the experiment momentum, and changes one part at a time: ` +
      'samplers, weights, the coupling of noise to images (immiscible diffusion), the prediction, learning rates, EMA length, ' +
      `batch schedule and noise schedule, with one seed on ${screeningSize[scale].images} images. Then the three changes of ` +
      'different parts that lower the FD-classifier (EMA) most are put together, in pairs and all at once, and likewise the ' +
      'three that lower most the product of FD-classifier and validation loss.',
    'The recipe with the lowest FD-classifier and the one with the lowest product of it and the validation loss ' +
      `go on to ${finalSeeds[scale].length} seeds on ${finalSize[scale].images} images, and on ` +
      `${DIVISORS.map((divisor) => `1/${divisor}`).join(', ')} of them: a schedule that spans the run ends well only at its end. ` +
      'The speed-up is the images of the whole baseline run over those at which a recipe, trained whole, ends at the ' +
      "baseline's final value (mean over seeds), interpolated between these lengths, seed by seed. The winner reaches the " +
      "FD-classifier soonest, among the recipes of which every seed also reaches the baseline's validation loss.",
    'The baseline is AdamW with uniform timesteps and a constant learning rate of 0.01, chosen among four in the experiment ' +
      'momentum; the experiment speedup has other rates at this length. The validation loss of a network that predicts v or ' +
      'x0 is that of what it says about epsilon. On another noise schedule it is that of another task; there only the sample ' +
      'metrics can be compared.',
    measurementMethod(finalSize[scale]),
  ],
  stages: [
    {
      name: 'search',
      about: 'the start and each change of it alone, one seed.',
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
      about: 'what helped, in pairs and all at once, one seed.',
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
      about: 'the finalists, the baseline, AdamW with a decay, and the start of the search.',
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
      about: 'the finalists, trained whole on fewer images.',
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
      `${arm}: ${formatSpeedup(byMetric['fd ema']!)} times as soon to the FD-classifier, ` +
      `${formatSpeedup(byMetric['validation ema']!)} to the validation loss.`,
  );
  return {
    verdict,
    sentences: [
      !isDone
        ? name === undefined
          ? 'The shorter trainings are not finished, so nothing is decided.'
          : `How much faster is not measured yet. The winner is ${name} (${final.get(name)![0]!.about}): in as many images as ` +
            `the baseline it ends with ${ratioText(final, name, 'fd')} times its FD-classifier and ` +
            `${ratioText(final, name, 'validation')} times its validation loss (EMA weights, seed by seed).`
        : won === undefined
          ? "No recipe reaches both the FD-classifier and the validation loss of the baseline's end at every seed."
          : `The winner is ${name} (${final.get(name!)![0]!.about}): trained whole, it ends with the FD-classifier of the ` +
            `baseline ${formatSpeedup(won['fd ema']!)} times as soon, in images, and with its validation loss ` +
            `${formatSpeedup(won['validation ema']!)} times as soon (EMA weights).`,
      ...[...final.keys()]
        .filter((arm) => arm !== 'baseline')
        .map((arm) => `In as many steps, ${compareArms(final, arm, 'baseline').sentence}`),
      ...(isDone ? speedupSentences : []),
      scaleCaveats[scale],
    ],
    tables: [
      runLengthTable("Speed-up in images: trained whole to the baseline's final value", final, short, 'baseline'),
      stepsToTargetTable("Speed-up in images: within one run to the baseline's final value", final, 'baseline'),
      armTable('Finals', final, 'baseline'),
      armTable('Finalists trained whole on fewer images', short),
      armTable('Put together, one seed', combined),
      armTable('The whole search, one seed', search, 'baseline'),
    ],
    figures: [
      ...runLengthFigure(final, short, 'baseline', 'fd'),
      ...runLengthFigure(final, short, 'baseline', 'validation'),
      ...curveFigure(final, 'validation', 'ema'),
    ],
    numbers: { winner: name ?? null, byLength, within: stepsToTargetByArm(final, 'baseline') },
  };
}
