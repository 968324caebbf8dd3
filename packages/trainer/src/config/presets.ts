/** Named starting points. A new preset is a constant here and a line in `presets`. */
import { unetPresets, type UNet2DOptions } from '@dm/models';
import type { Config } from './schema.js';

type Preset = Omit<Config, 'preset' | 'recorded'>;

/** A named UNet; its image size, channels and classes follow the data. */
function unet(options: UNet2DOptions): Preset['model'] {
  const { sample_size: _size, in_channels: _in, out_channels: _out, ...config } = options;
  return { type: 'unet', config: config as Preset['model']['config'] };
}

/** The part that presets share: the curriculum and momentum decay of arXiv:2404.07946 on a plain DDPM. */
const method = {
  imageSize: null,
  imageChannels: 3,
  crop: null,
  flip: false,
  skipBad: false,
  conditional: true,
  curriculum: { name: 'clts', params: {} },
  weighting: { name: 'constant' },
  uncertainty: null,
  labelDropout: null,
  optimizer: {
    name: 'adamW',
    params: {},
    schedule: { name: 'constant' },
    lr: 1e-3,
    betas: [0.9, 0.999],
    eps: 1e-8,
    weightDecay: 0,
    decayGroups: ['matrix', 'vector', 'embedding'],
    momentumDecay: true,
    compensate: true,
    warmup: 0,
    clip: 1,
  },
  emas: {},
  recompute: 'none',
  tensorboard: true,
  accumulate: 1,
  skipLimit: 10,
  evalEvery: 0,
  evalSamples: 256,
  // KID chooses the best: unlike FD it has no bias from so few images.
  evalMetrics: ['kid', 'fid'],
  evalExtractor: 'mobilenet',
  evalWeights: null,
  probe: { every: 0, buckets: 10, images: 32 },
  timeBudget: null,
  stepBudget: null,
  imageBudget: null,
  checkpointMinutes: null,
  checkpointOverlap: 1,
  seed: 0,
  engine: 'onnx',
  device: 'cpu',
  threads: null,
} satisfies Partial<Preset>;

/** Handwritten digits, 28x28 gray: a few minutes on two cores. */
const mnist: Preset = {
  ...method,
  data: 'mnist',
  model: unet(unetPresets.mnist),
  // v: from few steps, epsilon's small errors near pure noise become gray backgrounds.
  diffusion: { schedule: 'cosine', timesteps: 1000, prediction: 'v' },
  optimizer: { ...method.optimizer, lr: 4e-3 },
  ema: { type: 'power', decay: 0.995, power: 2 / 3 },
  batchSize: 32,
  totalSteps: 1300,
  logEvery: 20,
  sampleEvery: 650,
  samples: 100, // ten rows of 0 to 9
  sampler: { name: 'ddim', steps: 50, guidance: 1, guidanceInterval: null },
  checkpointEvery: 650,
  keep: 2,
  out: 'runs/mnist',
};

/**
 * The recipe that leads the search of experiments/best (its finals are unfinished), on the model and the length of `mnist`: Muon with a linear decay of
 * the learning rate, v-prediction on the linear schedule, and at every step the density that CLTS has on average.
 */
const mnistFast: Preset = {
  ...mnist,
  diffusion: { schedule: 'linear', timesteps: 1000, prediction: 'v' },
  curriculum: { name: 'cltsTimeAverage', params: {} },
  optimizer: {
    ...method.optimizer,
    name: 'muon',
    // lr is Adam's, for what is no matrix; the matrices have their own.
    lr: 3e-3,
    params: { lr: 3e-2, momentum: 0.95 },
    schedule: { name: 'linear', finalRatio: 0.1 },
    momentumDecay: false,
    compensate: false,
    warmup: 50,
  },
  ema: { type: 'halfLife', images: 2000, rampUp: 0.05 },
  out: 'runs/mnist-fast',
};

/** Small color photographs, 32x32, of ten classes: hours, not minutes, on a laptop. */
const cifar10: Preset = {
  ...method,
  data: 'cifar10',
  flip: true,
  model: unet(unetPresets['cifar10-small']),
  diffusion: { schedule: 'linear', timesteps: 1000, prediction: 'epsilon' },
  optimizer: { ...method.optimizer, lr: 2e-4, warmup: 500 },
  ema: { type: 'power', decay: 0.9999, power: 2 / 3 },
  batchSize: 64,
  totalSteps: 50_000,
  logEvery: 50,
  sampleEvery: 2500,
  samples: 64,
  sampler: { name: 'ddim', steps: 50, guidance: 1, guidanceInterval: null },
  checkpointEvery: 1000,
  keep: 3,
  out: 'runs/cifar10',
};

export const presets: Readonly<Record<string, Preset>> = { mnist, 'mnist-fast': mnistFast, cifar10 };

export const defaultPreset = 'mnist';
