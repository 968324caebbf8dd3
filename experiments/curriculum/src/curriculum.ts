/** Does it help to train on easier timesteps less and less often, and is that due to the curriculum? */
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
    'Gradually reducing the training frequency of easier timesteps (those near pure noise), as CLTS does, makes the ' +
    'training of diffusion models faster or better (arXiv:2404.07946, abstract; the formula is a reconstruction).',
  setup: (scale) => [
    `In the screening, all unknown options of CLTS are varied one at a time, and compared with all baselines, with one ` +
      `seed on ${screeningSize[scale].images} images. The best variant and the best baseline by FD-classifier (EMA) are ` +
      `finalists, together with uniform timesteps, CLTS, and its controls: ${finalSize[scale].images} images with ` +
      `${finalSeeds[scale].length} seeds. AdamW with a learning rate of 0.01 after 50 warm-up steps, then decaying linearly ` +
      'to one tenth (so that a gain is not one that such a decay would give), except for the two arms named constant; ' +
      'gradients clipped to norm 1; EMA half-life 2000 images; linear noise schedule, T = 1000, epsilon-prediction. ' +
      'Loss-second-moment keeps 2 losses per timestep instead of 10, to complete its warm-up in these short runs.',
    measurementMethod(finalSize[scale]),
  ],
  stages: [
    {
      name: 'final',
      about: 'uniform timesteps, CLTS, and its controls.',
      trials: (scale) => {
        const size = finalSize[scale];
        const [cltsDefault] = variants(scale, size);
        const arms = [uniformArm(scale), cltsDefault!, ...controls(scale), ...constantLrControls(scale)];
        return trialGrid('final', truncateForSmoke(arms, scale, 2), size, finalSeeds[scale]);
      },
    },
    {
      name: 'screening',
      about: 'all variants of CLTS, its controls, and all baselines, one seed.',
      trials: (scale) => trialGrid('screening', screened(scale), screeningSize[scale], [0]),
    },
    {
      name: 'finalists',
      about: 'the best variant and the best baseline of the screening, at the size of the finals.',
      trials: (scale, { screening }) => {
        const size = finalSize[scale];
        const best = (arms: readonly Arm[]) => rankArms(arms, screening!, 'fd').slice(0, 1);
        // rampSteps depends on the size, so create the variants for the size of the finals.
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
    open: 'Undecided: the finals are not finished. Results so far:',
    holds: 'CLTS is better than uniform timesteps, and better than its time-averaged density without a curriculum.',
    depends: helps
      ? 'CLTS is better than uniform timesteps, but not better than its time-averaged density: what helps is the density, not the curriculum.'
      : 'CLTS is better by one metric, and uniform timesteps by the other.',
    'does not hold': 'CLTS is not better than uniform timesteps.',
  }[verdict];
  return {
    verdict,
    ...(comparisons.uniform.ratios !== undefined && { key: comparisons.uniform.ratios }),
    sentences: [
      reading,
      ...Object.values(comparisons).map(({ sentence }) => sentence),
      'Timesteps below 250 contribute most of the validation loss, which favors samplers that draw noisy timesteps less often: ' +
        'CLTS improves it at t < 500 and worsens it above.',
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
        'Final value / final value of uniform timesteps, EMA weights, paired by seed, 95% intervals; left of the line is better',
      xTitle: 'ratio to uniform',
      rows,
      reference: 1,
      logX: true,
    }),
  ];
}
