/** Named base configurations. To add a preset, define a constant and list it in `presets`. */
import { unetPresets, type UNet2DOptions } from '@dm/models';
import { ditSize, uvitSize } from './default-sizes.js';
import { edm2, rectifiedFlow } from './objectives.js';
import type { Config } from './schema.js';

type Preset = Omit<Config, 'preset' | 'recorded'>;

/** A UNet configuration of @dm/models without image size, channels and classes, which default to the data's. */
function unet(options: UNet2DOptions): Preset['model'] {
  const { sample_size: _size, in_channels: _in, out_channels: _out, ...config } = options;
  return { type: 'unet', ...config } as Preset['model'];
}

/** Diffusion in 1000 steps with the loss on the prediction itself. */
const commonDiffusion = { timesteps: 1000, loss: null, variance: null } as const;

/** DDIM with 50 steps on timesteps of the noise schedule, with x_0 clipped to the image range. */
const ddim: Preset['sampler'] = {
  type: 'ddim',
  steps: 50,
  guidance: 1,
  guidanceInterval: null,
  path: { type: 'discrete' },
  clipping: { type: 'range', max: 1 },
};

/** Fields that presets share: the curriculum and momentum decay of arXiv:2404.07946 on a plain DDPM. */
const method = {
  imageSize: null,
  imageChannels: 3,
  imageResize: 'bicubic',
  crop: null,
  holdOut: null,
  latents: null,
  flip: false,
  skipBad: false,
  conditional: true,
  curriculum: { type: 'clts', coordinateDefaults: true },
  timestepDraws: 'independent',
  noiseCandidates: 1,
  lossWeighting: { type: 'constant' },
  normalizeLossWeights: null,
  uncertainty: null,
  labelDropout: null,
  optimizer: {
    type: 'adamW',
    lr: 1e-3,
    betas: [0.9, 0.999],
    eps: 1e-8,
    weightDecay: 0,
    decayGroups: ['matrix', 'vector', 'embedding'],
    warmup: 0,
    lrSchedule: { type: 'constant' },
    momentumDecay: { type: 'demon', compensate: true },
    maxGradNorm: 1,
  },
  extraEmas: {},
  emaSnapshots: null,
  activationCheckpointing: false,
  tensorboard: true,
  gradientAccumulation: 1,
  budgets: { seconds: null, steps: null, images: null },
  maxSkippedSteps: 10,
  evaluation: {
    every: 0,
    samples: 256,
    // KID selects the best checkpoint: unlike FD it is unbiased with so few images.
    metrics: ['kid', 'fid'],
    extractor: { type: 'mobilenet', weights: null, resize: null },
  },
  probe: { every: 0, buckets: 10, images: 32 },
  validation: { every: 0, images: 1000, draws: 1, bounds: true },
  seed: 0,
  engine: 'onnx',
  device: 'cpu',
  threads: null,
  graphCapture: false,
  tf32: false,
  precision: 'f32',
  gradScaler: {},
} satisfies Partial<Preset>;

/** Handwritten digits, 28x28 grayscale: a few minutes on two cores. */
const mnist: Preset = {
  ...method,
  data: 'mnist',
  model: unet(unetPresets.mnist),
  // With few sampling steps, small errors of epsilon-prediction near pure noise become gray backgrounds.
  diffusion: { ...commonDiffusion, schedule: { type: 'cosine' }, prediction: { type: 'v' } },
  optimizer: { ...method.optimizer, lr: 4e-3 },
  ema: { type: 'power', decay: 0.995, power: 2 / 3 },
  batchSize: 32,
  totalSteps: 1300,
  logEvery: 20,
  sampleEvery: 325,
  samples: 100, // ten rows of 0 to 9
  sampler: ddim,
  checkpoints: { every: 650, minutes: null, overlap: 1, keepLast: 2 },
  out: 'runs/mnist',
};

/**
 * The best recipe of a search before experiments/recipe-search, with the model and the training time of `mnist`: Muon with
 * linear learning rate decay, v-prediction on the linear schedule, and at every step the average timestep density of CLTS.
 * Samples are guided, with as many evaluations of the network as DDIM's 50 steps. `npm start` trains it: see
 * experiments/start, in which the winner of experiments/recipe-search makes fewer readable digits.
 */
const mnistFast: Preset = {
  ...mnist,
  diffusion: { ...commonDiffusion, schedule: { type: 'linear' }, prediction: { type: 'v' } },
  curriculum: { type: 'cltsTimeAverage', coordinateDefaults: true },
  optimizer: {
    ...method.optimizer,
    type: 'muon',
    // Learning rate of the parameters that Adam updates; matrices use matrixLr.
    lr: 3e-3,
    matrixLr: 3e-2,
    matrixMomentum: 0.95,
    iterations: 5,
    orthogonalize: 'all', // as in that search
    warmup: 50,
    lrSchedule: { type: 'linear', finalRatio: 0.1 },
    momentumDecay: null,
  },
  labelDropout: 0.1,
  ema: { type: 'halfLife', images: 2000, rampUp: 0.05 },
  totalSteps: 1140,
  sampleEvery: 228,
  checkpoints: { ...mnist.checkpoints, every: 570 },
  sampler: { ...ddim, type: 'dpmpp-2m', steps: 25, guidance: 1.5 },
  out: 'runs/mnist-fast',
};

/** `mnist` as a rectified flow. */
const mnistFlow: Preset = {
  ...mnist,
  ...rectifiedFlow,
  diffusion: { ...commonDiffusion, ...rectifiedFlow.diffusion },
  sampler: { ...ddim, ...rectifiedFlow.sampler },
  out: 'runs/mnist-flow',
};

/** `mnist` with the preconditioning, the noise levels, and the learned uncertainty of EDM2, in continuous time. */
const mnistEdm2: Preset = {
  ...mnist,
  ...edm2,
  diffusion: { ...commonDiffusion, ...edm2.diffusion },
  sampler: { ...ddim, ...edm2.sampler },
  out: 'runs/mnist-edm2',
};

/** Color photographs, 32x32, in ten classes: hours, not minutes, on a laptop. */
const cifar10: Preset = {
  ...method,
  data: 'cifar10',
  flip: true,
  model: unet(unetPresets['cifar10-small']),
  diffusion: { ...commonDiffusion, schedule: { type: 'linear' }, prediction: { type: 'epsilon' } },
  optimizer: { ...method.optimizer, lr: 2e-4, warmup: 500 },
  ema: { type: 'power', decay: 0.9999, power: 2 / 3 },
  batchSize: 64,
  totalSteps: 50_000,
  logEvery: 50,
  sampleEvery: 2500,
  samples: 64,
  sampler: ddim,
  checkpoints: { every: 1000, minutes: null, overlap: 1, keepLast: 3 },
  out: 'runs/cifar10',
};

const digits = { height: 28, width: 28, channels: 1 };

/** A DiT of 7.3 million parameters on the digits. */
const mnistDit: Preset = {
  ...mnist,
  model: { type: 'dit', ...ditSize(digits) },
  // Transformers diverge at the UNet's rate.
  optimizer: { ...method.optimizer, lr: 1e-3, warmup: 100 },
  totalSteps: 2000,
  out: 'runs/mnist-dit',
};

/** A U-ViT of 6 million parameters on the digits. */
const mnistUvit: Preset = {
  ...mnistDit,
  model: { type: 'uvit', ...uvitSize(digits) },
  out: 'runs/mnist-uvit',
};

/** A DiT on the photographs of `cifar10`: hours too. */
const cifar10Dit: Preset = {
  ...cifar10,
  model: { type: 'dit', ...ditSize({ height: 32, width: 32, channels: 3 }) },
  out: 'runs/cifar10-dit',
};

export const presets: Readonly<Record<string, Preset>> = {
  mnist,
  'mnist-fast': mnistFast,
  'mnist-dit': mnistDit,
  'mnist-uvit': mnistUvit,
  'mnist-flow': mnistFlow,
  'mnist-edm2': mnistEdm2,
  cifar10,
  'cifar10-dit': cifar10Dit,
};

export const defaultPreset = 'mnist';

/**
 * Presets that train for hours: about how many, on `hoursMeasuredOn`. From 1058 ms per 16 images of the UNet
 * (docs/engine.md, the median of three runs); the DiT's step takes 0.22 times as much processor time.
 */
export const presetHours: Readonly<Record<string, number>> = { cifar10: 58, 'cifar10-dit': 13 };

export const hoursMeasuredOn = '2 cores of an AMD EPYC server processor';
