/** Does training less and less often on the easier timesteps help, and is it the curriculum that helps? */
import {
  armTable,
  compareArms,
  curveFigure,
  finalSeeds,
  finalSize,
  intervalFigure,
  scaleCaveats,
  measurementMethod,
  pairedRatio,
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
} from '@dm/experiments';
import { baselines, constantLrControls, controls, uniformArm, variants } from './arms.js';

export const curriculum: Experiment = {
  name: 'curriculum',
  summary: 'CLTS trains faster or better',
  claim:
    'Reducing the training frequency of the easier timesteps (those near pure noise) gradually, as CLTS does, trains ' +
    'diffusion models faster or better (arXiv:2404.07946, abstract; the formula is a reconstruction).',
  setup: (scale) => [
    `Everything that is unknown of CLTS is varied from one default, and all baselines run beside it, with one seed on ` +
      `${screeningSize[scale].images} images; the best variant and the best baseline by FD-classifier (EMA) go on to ` +
      `finals of ${finalSize[scale].images} images with ${finalSeeds[scale].length} seeds, beside uniform, CLTS and its ` +
      'controls. AdamW, highest lr 0.01 after 50 steps of warm-up, then linearly to a tenth (so that no sampler gains what ' +
      'that decay gives), except for the two arms named constant; gradients clipped to norm 1; EMA half-life 2000 images; ' +
      'linear noise schedule, T = 1000, epsilon-prediction. Loss-second-moment keeps 2 losses a timestep and not 10, or it ' +
      'would never be warm in runs this short.',
    measurementMethod(finalSize[scale]),
  ],
  stages: [
    {
      name: 'final',
      about: 'uniform, CLTS and its controls.',
      trials: (scale) => {
        const size = finalSize[scale];
        const [cltsDefault] = variants(scale, size);
        const arms = [uniformArm(scale), cltsDefault!, ...controls(scale), ...constantLrControls(scale)];
        return trialGrid('final', truncateForSmoke(arms, scale, 2), size, finalSeeds[scale]);
      },
    },
    {
      name: 'screening',
      about: 'all variants of CLTS, its controls and all baselines, one seed.',
      trials: (scale) => trialGrid('screening', screened(scale), screeningSize[scale], [0]),
    },
    {
      name: 'finalists',
      about: 'the best variant and the best baseline of the screening, at the size of the finals.',
      trials: (scale, { screening }) => {
        const size = finalSize[scale];
        const best = (arms: readonly Arm[]) => rankArms(arms, screening!, 'fd').slice(0, 1);
        // A ramp may be counted in steps: the variants are those of this size.
        const arms = [...best(variants(scale, size).slice(1)), ...best(baselines(scale))];
        return trialGrid('finalists', truncateForSmoke(arms, scale, 1), size, finalSeeds[scale]);
      },
    },
  ],
  conclude,
};

function screened(scale: Scale): readonly Arm[] {
  const arms = [uniformArm(scale), ...variants(scale, screeningSize[scale]), ...controls(scale), ...baselines(scale)];
  return truncateForSmoke(arms, scale, 3);
}

function conclude(results: Readonly<Record<string, StageResults>>, scale: Scale): Conclusion {
  const {
    screening,
    final: controlResults,
    finalists,
  } = results as Record<'screening' | 'final' | 'finalists', StageResults>;
  const final: StageResults = new Map([...controlResults, ...finalists]);
  const comparisons = {
    uniform: compareArms(final, 'clts', 'uniform'),
    average: compareArms(final, 'clts', 'time-average'),
    reversed: compareArms(final, 'clts', 'reversed'),
    corrected: compareArms(final, 'corrected', 'uniform'),
    constant: compareArms(final, 'clts-constant', 'uniform-constant'),
  };
  const [uniform, average] = [comparisons.uniform.judgment, comparisons.average.judgment];
  const seedsDone = ['uniform', 'clts', 'time-average'].map((name) => final.get(name)?.length ?? 0);
  const open = seedsDone.some((seeds) => seeds < finalSeeds[scale].length);
  const helps = uniform === 'better';
  const verdict = open
    ? 'open'
    : helps && average === 'better'
      ? 'holds'
      : helps || uniform === 'mixed'
        ? 'depends'
        : 'does not hold';
  const reading = {
    open: 'The finals are not finished, so nothing is decided; what there is so far:',
    holds: 'CLTS is better than uniform timesteps and than its own average density without a curriculum.',
    depends: helps
      ? 'CLTS is better than uniform timesteps, but not than its own average density at every step: what helps is the density, not the curriculum.'
      : 'CLTS and uniform timesteps each win by one metric: which is better depends on what is measured.',
    'does not hold': 'CLTS is not better than uniform timesteps here.',
  }[verdict];
  return {
    verdict,
    ...(comparisons.uniform.ratios !== undefined && { key: comparisons.uniform.ratios }),
    sentences: [
      reading,
      ...Object.values(comparisons).map(({ sentence }) => sentence),
      'Most of the validation loss is that of the timesteps below 250, so a sampler that draws the noisy timesteps less often has ' +
        'an advantage by this measure: CLTS gains at t < 500 and loses above.',
      scaleCaveats[scale],
    ],
    tables: [armTable('Finals', final, 'uniform'), armTable('Screening, one seed', screening, 'uniform')],
    figures: [
      ...ratioFigure(final),
      ...curveFigure(final, 'validation', 'raw'),
      ...curveFigure(final, 'validation', 'ema'),
    ],
    numbers: {
      beside: Object.fromEntries(
        Object.entries(comparisons).map(([name, compared]) => [name, withCommittedSpelling(compared)]),
      ),
    },
  };
}

function ratioFigure(final: StageResults): Figure[] {
  const base = final.get('uniform');
  if (base === undefined) return [];
  const rows = [...final].flatMap(([name, trials]) =>
    (['validation', 'fd'] as const).flatMap((metric) => {
      const ratio = name === 'uniform' ? undefined : pairedRatio(trials, base, metric, 'ema');
      const group = metric === 'fd' ? 'FD-classifier' : 'validation loss';
      return ratio === undefined ? [] : [{ name, group, ...ratio }];
    }),
  );
  if (rows.length === 0) return [];
  return [
    intervalFigure({
      name: 'over-uniform',
      caption:
        'Final value over that of uniform timesteps, EMA weights, seed by seed, with 95 % intervals; left of the line is better',
      xTitle: 'ratio to uniform',
      rows,
      reference: 1,
      logX: true,
    }),
  ];
}
