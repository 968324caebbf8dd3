/** Does momentum decay help, and is that due to the momentum? */
import {
  armTable,
  bestArm,
  compareArms,
  curveFigure,
  finalInterval,
  finalValue,
  finalSeeds,
  finalSize,
  formatInterval,
  scaleCaveats,
  lineFigure,
  measurementMethod,
  rankArms,
  screeningSize,
  truncateForSmoke,
  trialGrid,
  withCommittedSpelling,
  type Arm,
  type Conclusion,
  type Experiment,
  type Figure,
  type Scale,
  type StageResults,
  type Table,
} from '@dm/experiments';
import { ablations, armAt, grid, momentumSweep, rivals } from './arms.js';

/** Number of other optimizers in the finals. */
const BEST_RIVALS = 2;

/** Steps between readings of the parameters in the sweep. */
const PATH_EVERY: Readonly<Record<Scale, number>> = { smoke: 0, laptop: 5, full: 50 };

const momentumSweepStage = {
  name: 'ladder',
  about: 'a sweep of constant momentum, to see whether a large momentum slows training or causes oscillations.',
  trials: (scale: Scale) => {
    const size = { ...screeningSize[scale], pathEvery: PATH_EVERY[scale], validations: 10 };
    return trialGrid('ladder', truncateForSmoke(momentumSweep(scale), scale, 1), size, finalSeeds[scale]);
  },
};

export const momentum: Experiment = {
  name: 'momentum',
  summary: 'momentum decay trains faster or better',
  claim:
    'Decaying the momentum during training, with the learning rate decreased in compensation (MDLRC), makes the training ' +
    'of diffusion models faster or better. The stated reason is that with such a smooth loss landscape, a large momentum ' +
    'slows convergence and causes oscillations (arXiv:2404.07946, abstract; the formula is a reconstruction).',
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
    momentumSweepStage,
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
  const { screening, final, ladder: sweep } = results as Record<'screening' | 'final' | 'ladder', StageResults>;
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
      ...sweepSentences(sweep),
      scaleCaveats[scale],
    ],
    tables: [
      armTable('Finals', final, 'constant'),
      ...(sweep.size > 0 ? [sweepTable(sweep)] : []),
      armTable('Screening, one seed', screening),
    ],
    figures: [
      ...curveFigure(final, 'validation', 'raw'),
      ...curveFigure(final, 'validation', 'ema'),
      ...pathFigure(sweep),
    ],
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

function sweepSentences(sweep: StageResults): string[] {
  const last = (name: string) => finalInterval(sweep.get(name) ?? [], 'validation', 'ema');
  const names = [...sweep.keys()];
  const finals = names.map((name) => [name, last(name)] as const);
  if (finals.length < 5 || finals.some(([, value]) => value?.low === undefined)) return [];
  const best = finals.reduce((a, b) => (b[1]!.mean < a[1]!.mean ? b : a));
  const high = compareArms(sweep, 'beta1-0.99', 'beta1-0.9');
  const least = names.map((name) => [name, lowestCosine(sweep.get(name)!)] as const);
  const swinging = least.filter(([, value]) => value !== undefined && value < -0.05).map(([name]) => name);
  return [
    `In the sweep of constant momentum, ${best[0]} has the lowest final EMA validation loss, ${formatInterval(best[1]!, 4)}. ${high.sentence}`,
    swinging.length === 0
      ? 'The parameters do not oscillate at any momentum: the mean cosine between displacements 5 to 40 steps apart is never below -0.05.'
      : `The parameters oscillate (mean cosine between displacements below -0.05 at a lag of up to 40 steps) with ${swinging.join(', ')}.`,
  ];
}

/** The lowest mean cosine over seeds, in the second half of the run. */
function lowestCosine(trials: StageResults extends ReadonlyMap<string, infer T> ? T : never): number | undefined {
  const rows = trials.flatMap(({ pathCosines }) => (pathCosines === undefined ? [] : [pathCosines[1]!]));
  if (rows.length === 0) return undefined;
  return Math.min(...rows[0]!.map((_, lag) => rows.reduce((sum, row) => sum + row[lag]!, 0) / rows.length));
}

function sweepTable(sweep: StageResults): Table {
  const base = armTable('Sweep of constant momentum', sweep, 'beta1-0.9');
  return {
    ...base,
    columns: [...base.columns, 'lowest mean cosine between displacements'],
    rows: base.rows.map((row) => {
      const value = lowestCosine(sweep.get(row[0]!) ?? []);
      return [...row, value === undefined ? '' : value.toFixed(3)];
    }),
  };
}

function pathFigure(sweep: StageResults): Figure[] {
  const series = [...sweep].flatMap(([name, trials]) =>
    trials.flatMap(({ pathCosines, size }) =>
      pathCosines === undefined
        ? []
        : [{ name, x: pathCosines[1]!.map((_, lag) => (lag + 1) * size.pathEvery), y: pathCosines[1]! }],
    ),
  );
  if (series.length === 0) return [];
  return [
    lineFigure({
      name: 'path-cosines',
      caption:
        'Mean cosine between displacements of the parameters, second half of the run; negative values mean oscillation',
      xTitle: 'steps between the displacements',
      yTitle: 'mean cosine',
      series,
    }),
  ];
}
