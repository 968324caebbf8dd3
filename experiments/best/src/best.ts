/** Which recipe reaches the baseline's quality soonest? A search that reports all it tried. */
import {
  armTable,
  curveFigure,
  finalSeeds,
  finalSize,
  intervalText,
  limits,
  measuredHow,
  rankedArms,
  reaches,
  reachTable,
  screeningSize,
  smokeOnly,
  trialsOf,
  type Arm,
  type Conclusion,
  type Experiment,
  type Scale,
  type Size,
  type StageResults,
} from '@dm/experiments';
import { search } from './arms.js';

/** Recipes that go on to the finals, the baseline beside them. */
const FINALISTS = 2;

/** Three times as fast as the baseline is the goal. */
const GOAL = 3;

export const best: Experiment = {
  name: 'best',
  inShort: 'our best recipe is 3 times as fast',
  claim:
    'A recipe of today reaches the quality of the baseline in a third of the steps: our goal, no claim of the paper.',
  setup: (scale) => [
    `The search starts from Muon with a cosine decay, the best of the experiment momentum, and changes samplers, weights, the ` +
      'coupling of noise to images (immiscible diffusion), learning rates, EMA length, batch schedule and noise schedule, ' +
      `one seed on ${screeningSize[scale].images} images. The ${FINALISTS} recipes with the lowest FD-classifier (EMA) go on to ` +
      `${finalSeeds[scale].length} seeds on ${finalSize[scale].images} images. The validation loss of an arm with another noise ` +
      'schedule is that of another task; only its sample metrics can be compared.',
    measuredHow(finalSize[scale]),
  ],
  stages: [
    {
      name: 'search',
      about: 'all recipes tried, one seed.',
      trials: (scale) => trialsOf('search', smokeOnly(search(scale), scale, 3), screeningSize[scale], [0]),
    },
    {
      name: 'final',
      about: 'the best recipes and the baseline.',
      trials: (scale, { search: found }) => {
        const [baseline, ...others] = smokeOnly(search(scale), scale, 2);
        const arms: Arm[] = [baseline!, ...rankedArms(others, found!, 'fd').slice(0, FINALISTS)];
        return trialsOf('final', arms, size(scale), finalSeeds[scale]);
      },
    },
  ],
  conclude,
};

function size(scale: Scale): Size {
  const whole = finalSize[scale];
  return { ...whole, validations: 2 * whole.validations, sampleEvaluations: scale === 'smoke' ? 1 : 4 };
}

function conclude(results: Readonly<Record<string, StageResults>>, scale: Scale): Conclusion {
  const { search: searched, final } = results as Record<'search' | 'final', StageResults>;
  const found = reaches(final, 'baseline');
  const speeds = Object.entries(found).flatMap(([name, byMetric]) => {
    const speed = byMetric['fd ema']?.speedup;
    return name === 'baseline' || speed === undefined ? [] : [{ name, speed }];
  });
  const fastest = speeds.toSorted((a, b) => b.speed.mean - a.speed.mean)[0];
  const isDone = fastest?.speed.low !== undefined;
  return {
    verdict: !isDone ? 'open' : fastest.speed.mean >= GOAL ? 'holds' : 'does not hold',
    sentences: [
      isDone
        ? `${fastest.name} reaches the FD-classifier that the baseline ends with ${intervalText(fastest.speed)} times as soon, in images (EMA weights).`
        : 'The finals are not finished, so nothing is decided.',
      limits[scale],
    ],
    tables: [
      reachTable("Speed-up in images to the baseline's final value", final, 'baseline'),
      armTable('Finals', final, 'baseline'),
      armTable('The whole search, one seed', searched, 'baseline'),
    ],
    figures: [...curveFigure(final, 'fd', 'ema'), ...curveFigure(final, 'validation', 'ema')],
    numbers: { reaches: found },
  };
}
