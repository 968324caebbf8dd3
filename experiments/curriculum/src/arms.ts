/** The arms of `curriculum`: variants of CLTS, its controls, and other timestep samplers and loss weights. */
import { batchSize, recipe, type Arm, type Scale, type Size, type TrainingRecipe } from '@dm/experiments';

type Sampler = TrainingRecipe['curriculum'];

/** An arm with a linear learning-rate decay, so that its gain is not one that a decay would give as well. */
function arm(name: string, about: string, scale: Scale, changes: Parameters<typeof recipe>[0]): Arm {
  return {
    name,
    about,
    recipe: recipe({
      optimizer: { decay: { linearTo: 0.1 } },
      batch: [{ share: 1, size: batchSize[scale] }],
      ...changes,
    }),
  };
}

const clts = (params: Sampler['params']): Sampler => ({ name: 'clts', ...(params && { params }) });

/** The baseline: uniform timesteps. */
export const uniformArm = (scale: Scale): Arm => arm('uniform', 'uniform timesteps (baseline)', scale, {});

/**
 * CLTS with our default options (t/T, mu .3, sigma .2, lam_max .8, linear ramp), and with one option changed at a time.
 */
export function variants(scale: Scale, { images }: Size): Arm[] {
  const of = (name: string, about: string, params: Sampler['params']) =>
    arm(name, about, scale, { curriculum: clts(params) });
  return [
    of('clts', 'CLTS: t/T, mu .3, sigma .2, lam_max .8, linear ramp', undefined),
    of('clts-sigma-0.1', 'CLTS, sigma .1', { sigma: 0.1 }),
    of('clts-sigma-0.3', 'CLTS, sigma .3', { sigma: 0.3 }),
    of('clts-sigma-1', 'CLTS, sigma 1: nearly flat', { sigma: 1 }),
    of('clts-mu-0.15', 'CLTS, mu .15', { mu: 0.15 }),
    of('clts-mu-0.45', 'CLTS, mu .45', { mu: 0.45 }),
    of('clts-lam-0.5', 'CLTS, lam_max .5', { lambdaMax: 0.5 }),
    of('clts-lam-1', 'CLTS, lam_max 1: no floor', { lambdaMax: 1 }),
    of('clts-cosine-ramp', 'CLTS, cosine ramp', { ramp: 'cosine' }),
    of('clts-half-ramp', 'CLTS, full after half of the run', { rampSteps: images / batchSize[scale] / 2 }),
    of('clts-noise-std', 'CLTS over sqrt(1 - abar)', { coordinate: 'noiseStd' }),
    of('clts-noise-variance', 'CLTS over 1 - abar', { coordinate: 'noiseVariance' }),
    arm('clts-logsnr', 'CLTS over logSNR, mu 0, sigma 2', scale, { curriculum: { name: 'cltsLogSnr' } }),
  ];
}

/** Controls for the order of timesteps, its direction, and the changed objective. */
export function controls(scale: Scale): Arm[] {
  return [
    arm('time-average', "CLTS's mean density at every step: no curriculum", scale, {
      curriculum: { name: 'cltsTimeAverage' },
    }),
    arm('reversed', 'CLTS backwards: concentrated first', scale, { curriculum: { name: 'cltsReversed' } }),
    arm('corrected', 'CLTS with importance weights: the plain objective', scale, {
      curriculum: { name: 'cltsCorrected' },
    }),
  ];
}

/** Uniform timesteps and CLTS with a constant learning rate, which the paper may have used. */
export function constantLrControls(scale: Scale): Arm[] {
  const optimizer = { decay: 'constant' } as const;
  return [
    arm('uniform-constant', 'uniform timesteps, constant lr', scale, { optimizer }),
    arm('clts-constant', 'CLTS, constant lr', scale, { optimizer, curriculum: clts(undefined) }),
  ];
}

/** Timestep samplers and loss weights from the literature. */
export function baselines(scale: Scale): Arm[] {
  const sampler = (name: Sampler['name'], about: string, params?: Sampler['params']) =>
    arm(name, about, scale, { curriculum: { name, ...(params && { params }) } });
  const weighting = (name: string, about: string, rule: TrainingRecipe['weighting']) =>
    arm(name, about, scale, { weighting: rule });
  return [
    weighting('min-snr', 'uniform, Min-SNR-5 weights', { name: 'minSnr' }),
    weighting('soft-min-snr', 'uniform, soft Min-SNR weights', { name: 'softMinSnr' }),
    weighting('p2', 'uniform, P2 weights, gamma .5', { name: 'p2', gamma: 0.5 }),
    sampler('lossSecondMoment', 'loss-second-moment, 2 losses a timestep', { historyPerTimestep: 2 }),
    arm('edm', 'EDM: its density and its weights', scale, { curriculum: { name: 'edm' }, weighting: { name: 'edm' } }),
    sampler('edm2', "EDM2's density, without its learned weights"),
    sampler('laplace', 'Laplace over logSNR'),
    sampler('logitNormal', "SD3's logit-normal density"),
    sampler('mode', "SD3's mode density"),
    sampler('cosmap', "SD3's cosmap density"),
    sampler('speed', 'SpeeD: density and change-aware weights'),
    sampler('beta', 't/T ~ Beta(a, 1)'),
    sampler('difficultyCurriculum', 'difficulty curriculum, the noisiest clusters first', { patience: 20 }),
  ];
}
