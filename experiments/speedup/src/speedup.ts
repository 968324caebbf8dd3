/** How much sooner than the baseline does a recipe end as well? */
import {
  armTable,
  curveFigure,
  finalSeeds,
  finalSize,
  intervalText,
  limits,
  measuredHow,
  reaches,
  reachTable,
  smokeOnly,
  trialsOf,
  type Conclusion,
  type Experiment,
  type Scale,
  type Size,
  type StageResults,
} from '@dm/experiments';
import { shortRuns, wholeRuns } from './arms.js';

/** Evaluations of samples over a run, and validations. */
const EVALUATIONS: Readonly<Record<Scale, number>> = { smoke: 2, laptop: 4, full: 10 };

function size(scale: Scale, share = 1): Size {
  const whole = finalSize[scale];
  const evaluations = EVALUATIONS[scale];
  return {
    ...whole,
    images: Math.round(whole.images * share),
    validations: 4 * evaluations,
    sampleEvaluations: evaluations,
  };
}

export const speedup: Experiment = {
  name: 'speedup',
  inShort: 'CLTS and momentum decay together train 2 times as fast',
  claim:
    'CLTS and momentum decay speed up the training of diffusion models (arXiv:2404.07946, abstract; reviews and summaries ' +
    'tell of 2 to 2.6 times).',
  setup: (scale) => [
    `Every recipe is trained with ${finalSeeds[scale].length} seeds on ${finalSize[scale].images} images, AdamW at the highest ` +
      'lr 0.01 (Muon 0.03), 50 steps of warm-up. Speed-up: images of the whole baseline run over images seen when the recipe first reaches ' +
      "the baseline's final value (mean over seeds), interpolated between evenly spaced evaluations. Because a schedule that " +
      'spans the run ends well only at its end, recipes are also trained whole in a half or a third of the images. Every ' +
      'recipe has the same batch, so that images are steps. Wall-clock is not measured yet: other work shared the machine.',
    measuredHow(size(scale)),
  ],
  stages: [
    {
      name: 'whole',
      about: 'all recipes at full length.',
      trials: (scale) => trialsOf('whole', smokeOnly(wholeRuns(scale), scale, 2), size(scale), finalSeeds[scale]),
    },
    {
      name: 'short',
      about: 'recipes in a half or a third of the images.',
      trials: (scale) =>
        smokeOnly(shortRuns(scale), scale, 1).flatMap(({ arm, share }) =>
          trialsOf('short', [arm], size(scale, share), finalSeeds[scale]),
        ),
    },
  ],
  conclude,
};

/** The goal for CLTS and MDLRC together: twice as fast. */
const GOAL = 2;

function conclude(results: Readonly<Record<string, StageResults>>, scale: Scale): Conclusion {
  const { whole, short } = results as Record<'whole' | 'short', StageResults>;
  const all: StageResults = new Map([...whole, ...short]);
  const found = reaches(all, 'baseline');
  const sentences = (['clts', 'mdlrc', 'clts-mdlrc', 'best'] as const).flatMap((name) => {
    const [fd, validation] = [found[name]?.['fd ema'], found[name]?.['validation ema']];
    if (fd === undefined || validation === undefined) return [];
    const told = (one: typeof fd, metric: string) =>
      one.speedup === undefined
        ? `never reaches the ${metric} that the baseline ends with`
        : `reaches the ${metric} that the baseline ends with ${intervalText(one.speedup)} times as soon (${one.reached} of ${one.of} seeds)`;
    return [`${name} ${told(fd, 'FD-classifier')} and ${told(validation, 'validation loss')} (EMA weights).`];
  });
  const both = found['clts-mdlrc'];
  const isDone = both !== undefined && [...whole.values()].every((trials) => trials.length > 1);
  const fast = (metric: string) => (both?.[`${metric} ema`]?.speedup?.mean ?? 0) >= GOAL;
  const some = (metric: string) => (both?.[`${metric} ema`]?.speedup?.mean ?? 0) > 1;
  const verdict = !isDone
    ? 'open'
    : fast('fd') && fast('validation')
      ? 'holds'
      : some('fd') || some('validation')
        ? 'depends'
        : 'does not hold';
  return {
    verdict,
    sentences: [...(isDone ? [] : ['Not enough is finished to decide.']), ...sentences, limits[scale]],
    tables: [
      reachTable("Speed-up in steps to the baseline's final value", all, 'baseline'),
      armTable('Whole runs', whole, 'baseline'),
      armTable('Short runs', short),
    ],
    figures: [...curveFigure(all, 'fd', 'ema'), ...curveFigure(all, 'validation', 'ema')],
    numbers: { reaches: found },
  };
}
