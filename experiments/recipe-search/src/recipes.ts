/** The optimizers with their learning rates, and the changes that are tried with the best of them. */
import { publicClts, type OptimizerChoice, type recipe } from '@dm/experiments';

export type Changes = Parameters<typeof recipe>[0] & object;

/** An optimizer with its schedules. */
export interface Family {
  readonly name: string;
  readonly about: string;
  readonly optimizer: Partial<OptimizerChoice>;
  /** Learning rates to start with, ascending octaves. */
  readonly lrs: readonly number[];
}

const octaves = (from: number, count = 4): number[] => Array.from({ length: count }, (_, k) => from * 2 ** k);
const toZero = { decay: { linearTo: 0 } } as const;

/** The baseline's family; the first one. */
export const BASELINE = 'constant';
/** The tuned rivals of the search: the decay alone, and the paper's momentum decay. */
export const DECAYED = 'linear';
export const MDLRC = 'mdlrc';

export const families: readonly Family[] = [
  { name: BASELINE, about: 'AdamW, constant learning rate', optimizer: {}, lrs: octaves(1e-3) },
  { name: DECAYED, about: 'AdamW, linear decay to 0', optimizer: toZero, lrs: octaves(2e-3) },
  {
    name: MDLRC,
    about: 'AdamW, momentum decay with compensation',
    optimizer: { demon: true, compensate: true },
    lrs: octaves(2e-3),
  },
  {
    name: 'muon',
    about: 'Muon, constant learning rate',
    optimizer: { name: 'muon', momentum: 0.95 },
    lrs: octaves(5e-3),
  },
  {
    name: 'muon-linear',
    about: 'Muon, linear decay to 0',
    optimizer: { name: 'muon', momentum: 0.95, ...toZero },
    lrs: octaves(1e-2),
  },
  {
    name: 'schedule-free',
    about: 'schedule-free AdamW',
    optimizer: { name: 'scheduleFree' },
    lrs: octaves(4e-3),
  },
  {
    name: 'ademamix-linear',
    about: 'AdEMAMix, linear decay to 0',
    optimizer: { name: 'adEMAMix', ...toZero },
    lrs: octaves(2e-3),
  },
  {
    name: 'lion-linear',
    about: 'Lion, linear decay to 0',
    optimizer: { name: 'lion', ...toZero },
    lrs: octaves(2.5e-4),
  },
];

/** The optimizer of a family with a learning rate; Muon trains vectors with Adam at a tenth of it. */
export function tuned({ optimizer }: Family, lr: number): Partial<OptimizerChoice> {
  return { ...optimizer, lr, ...(optimizer.name === 'muon' && { adamLr: lr / 10 }) };
}

/** A change of one part of a recipe. Only changes of different parts are combined. */
export interface Change {
  readonly part: 'objective' | 'timesteps' | 'weights' | 'noise' | 'average' | 'draws';
  readonly name: string;
  readonly about: string;
  readonly changes: Changes;
}

const of =
  (part: Change['part']) =>
  (name: string, about: string, change: Changes): Change => ({ part, name, about, changes: change });
const [objective, timesteps, weights, noise] = [of('objective'), of('timesteps'), of('weights'), of('noise')];
const [average, draws] = [of('average'), of('draws')];

/** Batch sizes are not among the changes: runs are compared at equal numbers of images, and steps are counted by them. */
export const changes: readonly Change[] = [
  objective('epsilon', 'epsilon-prediction', { prediction: 'epsilon' }),
  objective('x0-v', 'x0-prediction with the loss on v', {
    prediction: 'x0',
    weighting: { name: 'edm', sigmaData: 1 },
  }),
  objective('edm', 'the network output of EDM, sigma_data 0.5', { prediction: 'edm' }),
  objective('flow', 'rectified flow', { schedule: 'flow', prediction: 'flow' }),
  objective('cosine', 'cosine noise schedule', { schedule: 'cosine' }),
  timesteps('clts', 'CLTS', { curriculum: publicClts }),
  timesteps('clts-average', "CLTS's time-averaged density", { curriculum: { ...publicClts, name: 'cltsTimeAverage' } }),
  timesteps('logit-normal', 'logit-normal timesteps', { curriculum: { name: 'logitNormal' } }),
  timesteps('curriculum-sampling', 'logit-normal timesteps, then uniform', {
    curriculum: { name: 'curriculumSampling' },
  }),
  timesteps('laplace', 'Laplace density of log SNR', { curriculum: { name: 'laplace' } }),
  timesteps('speed', 'SpeeD', { curriculum: { name: 'speed' } }),
  timesteps('info-noise', 'InfoNoise', { curriculum: { name: 'infoNoise' } }),
  timesteps('loss-second-moment', 'loss-second-moment resampling', { curriculum: { name: 'lossSecondMoment' } }),
  weights('min-snr', 'Min-SNR-5 weights', { weighting: { name: 'minSnr' } }),
  weights('soft-min-snr', 'soft Min-SNR weights', { weighting: { name: 'softMinSnr' } }),
  weights('p2', 'P2 weights', { weighting: { name: 'p2' } }),
  noise('immiscible', 'noise paired with the images of a batch', { coupling: 'immiscible' }),
  noise('nearest-noise', 'the nearest of four noises for each image', { draws: { noiseCandidates: 4 } }),
  average('ema-0.01', 'EMA half-life 1% of the images seen', { emaRampUp: 0.01 }),
  average('ema-0.15', 'EMA half-life 15% of the images seen', { emaRampUp: 0.15 }),
  draws('stratified', 'stratified timesteps in each batch', { draws: { timestepDraws: 'stratified' } }),
];
