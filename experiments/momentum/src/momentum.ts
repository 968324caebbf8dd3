/** Does momentum decay help, and is it the momentum that helps? */
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

/** Rivals that go on to the finals. */
const BEST_RIVALS = 2;

/** Steps between readings of the parameters in the ladder. */
const PATH_EVERY: Readonly<Record<Scale, number>> = { smoke: 0, laptop: 5, full: 50 };

const momentumSweepStage = {
  name: 'ladder',
  about: 'a ladder of constant momenta, to see whether a large one slows training or makes it swing.',
  trials: (scale: Scale) => {
    const size = { ...screeningSize[scale], pathEvery: PATH_EVERY[scale], validations: 10 };
    return trialGrid('ladder', truncateForSmoke(momentumSweep(scale), scale, 1), size, finalSeeds[scale]);
  },
};

export const momentum: Experiment = {
  name: 'momentum',
  summary: 'momentum decay trains faster or better',
  claim:
    'Lowering the momentum during training, with the learning rate lowered in compensation (MDLRC), trains diffusion ' +
    'models faster or better; the reason given is that on so smooth a landscape a large momentum slows convergence and ' +
    'causes oscillations (arXiv:2404.07946, abstract; the formula is a reconstruction).',
  setup: (scale) => [
    `Every optimizer is first tried at four learning rates with one seed on ${screeningSize[scale].images} images. The ` +
      'ablations go on at one learning rate, the best of the baseline by EMA validation loss among those at which none of them ' +
      'collapses (a rule made after a first final at 0.02 had collapsed for the baseline); the two best rivals at their own ' +
      'best. The finals have ' +
      `${finalSeeds[scale].length} seeds and ${finalSize[scale].images} images. Weight decay is 0; gradients are clipped to norm 1; EMA half-life 2000 images; ` +
      'uniform timesteps, linear noise schedule, T = 1000, epsilon-prediction; 50 steps of warm-up.',
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
      about: `the ablations at one learning rate, and the ${BEST_RIVALS} best rivals at their own.`,
      trials: (scale, { screening }) =>
        trialGrid('final', finalists(scale, screening!), finalSize[scale], finalSeeds[scale]),
    },
    momentumSweepStage,
  ],
  conclude,
};

/** Above this a validation loss says that training collapsed: predicting nothing has 1. */
const COLLAPSED = 0.5;

/**
 * Each ablation and the best rivals. The ablations share one learning rate, so that nothing but the schedules differs: the
 * best of the baseline's among those at which every ablation still trains. The rivals have their own best.
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
    open: 'The finals are not finished, so nothing is decided.',
    holds: 'Momentum decay adds something to the learning-rate decay that comes with it.',
    depends:
      'MDLRC is better than a constant learning rate and momentum, but not clearly better than the linear decay of the ' +
      'learning rate that it contains: nothing here shows that lowering the momentum adds anything to that decay.',
    'does not hold': 'MDLRC is not better than a constant learning rate and momentum here.',
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

/** Arms that collapsed at some seeds, which their means hide. */
function collapses(final: StageResults): string[] {
  return [...final].flatMap(([name, trials]) => {
    const count = trials.filter((trial) => (finalValue(trial, 'validation', 'ema') ?? Infinity) > COLLAPSED).length;
    return count === 0
      ? []
      : [`${name} collapsed at ${count} of ${trials.length} seeds, and its means and intervals are of that.`];
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
    `Of the ladder of constant momenta, ${best[0]} ends lowest (EMA validation loss ${formatInterval(best[1]!, 4)}). ${high.sentence}`,
    swinging.length === 0
      ? 'No momentum makes the path of the parameters swing: the mean cosine of displacements 5 to 40 steps apart is nowhere below -0.05.'
      : `The path of the parameters swings (mean cosine of displacements below -0.05 at some distance up to 40 steps) at ${swinging.join(', ')}.`,
  ];
}

/** Of the mean over seeds, second half of the path. */
function lowestCosine(trials: StageResults extends ReadonlyMap<string, infer T> ? T : never): number | undefined {
  const rows = trials.flatMap(({ pathCosines }) => (pathCosines === undefined ? [] : [pathCosines[1]!]));
  if (rows.length === 0) return undefined;
  return Math.min(...rows[0]!.map((_, lag) => rows.reduce((sum, row) => sum + row[lag]!, 0) / rows.length));
}

function sweepTable(sweep: StageResults): Table {
  const base = armTable('A ladder of constant momenta', sweep, 'beta1-0.9');
  return {
    ...base,
    columns: [...base.columns, 'lowest mean cosine of displacements'],
    rows: base.rows.map((row) => {
      const value = lowestCosine(sweep.get(row[0]!)!);
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
      caption: 'Mean cosine of displacements of the parameters, second half of the run; below 0 the path swings',
      xTitle: 'steps between the displacements',
      yTitle: 'mean cosine',
      series,
    }),
  ];
}
