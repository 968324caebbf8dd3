/** Does momentum decay help, and is that due to the momentum? */
import {
  armTable,
  bestArm,
  compareArms,
  curveFigure,
  finalValue,
  finalSeeds,
  finalSize,
  scaleCaveats,
  measurementMethod,
  rankArms,
  screeningSize,
  truncateForSmoke,
  trialGrid,
  withCommittedSpelling,
  type Arm,
  type Conclusion,
  type Experiment,
  type Scale,
  type StageResults,
} from '@dm/experiments';
import { ablations, armAt, grid, rivals } from './arms.js';

/** Number of other optimizers in the finals. */
const BEST_RIVALS = 2;

export const momentum: Experiment = {
  name: 'momentum',
  summary: 'momentum decay trains faster or better',
  claim:
    'Decaying the momentum during training, with the learning rate decreased in compensation (MDLRC), makes the training ' +
    'of diffusion models faster or better. The stated reason is that with such a smooth loss landscape, a large momentum ' +
    'slows convergence and causes oscillations (arXiv:2404.07946, abstract; the formula is a reconstruction). The ' +
    'experiment momentum-grid tests that reason.',
  setup: (scale) => [
    `In the screening, each optimizer is tried at four learning rates with one seed on ${screeningSize[scale].images} images. ` +
      'In the finals, all ablations use the same learning rate: the best one for the baseline by EMA validation loss, among ' +
      'those at which none of the ablations collapses (a rule that was added after the baseline had collapsed in a first ' +
      'final at 0.02). The two best other optimizers use their own best learning rates. The finals have ' +
      `${finalSeeds[scale].length} seeds and ${finalSize[scale].images} images. Weight decay is 0; gradients are clipped to ` +
      'norm 1; EMA half-life 2000 images; uniform timesteps, linear noise schedule, T = 1000, epsilon-prediction; 50 ' +
      'warm-up steps.',
    measurementMethod(finalSize[scale]),
  ],
  stages: [
    {
      name: 'screening',
      about: 'each optimizer at four learning rates, one seed.',
      trials: (scale) => {
        const arms = truncateForSmoke([...ablations, ...rivals], scale, 4).flatMap((c) =>
          truncateForSmoke(grid(c, scale), scale, 1),
        );
        return trialGrid('screening', arms, screeningSize[scale], [0]);
      },
    },
    {
      name: 'final',
      about: `the ablations at one learning rate, and the ${BEST_RIVALS} best other optimizers at their own.`,
      trials: (scale, { screening }) =>
        trialGrid('final', finalists(scale, screening!), finalSize[scale], finalSeeds[scale]),
    },
  ],
  conclude,
};

/** Runs with a larger validation loss have collapsed: predicting zero gives 1. */
const COLLAPSED = 0.5;

/**
 * The ablations and the best other optimizers. The ablations share one learning rate, so that only the schedules
 * differ: the best one for the baseline, among those at which no ablation collapses. The others use their own best
 * learning rates.
 */
function finalists(scale: Scale, screening: StageResults): Arm[] {
  if (scale === 'smoke') return ablations.slice(0, 1).map((candidate) => armAt(candidate, candidate.lrs[0]!, scale));
  const isTrained = (name: string) => {
    const [first] = screening.get(name) ?? [];
    return ((first && finalValue(first, 'validation', 'ema')) ?? Infinity) < COLLAPSED;
  };
  const safe = ablations[0]!.lrs.filter((lr) => ablations.every(({ name }) => isTrained(`${name}-lr${lr}`)));
  const constant = grid({ ...ablations[0]!, lrs: safe }, scale);
  const { lr } = bestArm(constant, screening, 'validation').recipe.optimizer;
  const rivalWinners = rivals.map((candidate) => {
    const best = bestArm(grid(candidate, scale), screening, 'validation');
    return { best, finalist: armAt(candidate, best.recipe.optimizer.lr, scale) };
  });
  const bests = rivalWinners.map(({ best }) => best);
  const ranked = rankArms(bests, screening, 'validation').slice(0, BEST_RIVALS);
  return [
    ...ablations.map((candidate) => armAt(candidate, lr, scale)),
    ...rivalWinners.filter(({ best }) => ranked.includes(best)).map(({ finalist }) => finalist),
  ];
}

function conclude(results: Readonly<Record<string, StageResults>>, scale: Scale): Conclusion {
  const { screening, final } = results as Record<'screening' | 'final', StageResults>;
  const comparisons = {
    constant: compareArms(final, 'mdlrc', 'constant'),
    demon: compareArms(final, 'demon', 'constant'),
    linear: compareArms(final, 'mdlrc', 'linear-10'),
    cosine: compareArms(final, 'mdlrc', 'cosine'),
  };
  const [constant, linear] = [comparisons.constant.judgment, comparisons.linear.judgment];
  const open = constant === 'not measured' || linear === 'not measured';
  const verdict = open ? 'open' : linear === 'better' ? 'holds' : constant === 'better' ? 'depends' : 'does not hold';
  const reading = {
    open: 'Undecided: the finals are not finished.',
    holds: 'MDLRC is better than the learning-rate decay that it contains.',
    depends:
      'MDLRC is better than a constant learning rate and momentum, but not clearly better than the linear learning-rate ' +
      'decay that it contains: these results do not show a benefit of decaying the momentum as well.',
    'does not hold': 'MDLRC is not better than a constant learning rate and momentum.',
  }[verdict];
  return {
    verdict,
    ...(comparisons.linear.ratios !== undefined && { key: comparisons.linear.ratios }),
    sentences: [
      reading,
      ...(open ? [] : Object.values(comparisons).map(({ sentence }) => sentence)),
      ...collapses(final),
      scaleCaveats[scale],
    ],
    tables: [armTable('Finals', final, 'constant'), armTable('Screening, one seed', screening)],
    figures: [...curveFigure(final, 'validation', 'raw'), ...curveFigure(final, 'validation', 'ema')],
    numbers: {
      beside: Object.fromEntries(
        Object.entries(comparisons).map(([name, compared]) => [name, withCommittedSpelling(compared)]),
      ),
    },
  };
}

/** Arms that collapsed with some seeds, which is not visible in their means. */
function collapses(final: StageResults): string[] {
  return [...final].flatMap(([name, trials]) => {
    const count = trials.filter((trial) => (finalValue(trial, 'validation', 'ema') ?? Infinity) > COLLAPSED).length;
    return count === 0
      ? []
      : [`${name} collapsed with ${count} of ${trials.length} seeds, which are included in its means and intervals.`];
  });
}
