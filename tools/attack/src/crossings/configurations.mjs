// Random combinations of training features.
import { timestepScheduleNames } from '@dm/curriculum';
import { tinyConfig, tinyDit, tinyUnet } from '../tiny.mjs';
/** @import { Random } from '../random.mjs' */

const models = [
  { ...tinyDit },
  { ...tinyDit, num_classes: 2, class_dropout_prob: 0.5 },
  { ...tinyUnet },
  { ...tinyUnet, dropout: 0.3 },
  { type: 'uvit', patch_size: 4, embed_dim: 16, depth: 2, num_heads: 2 },
  { type: 'dit-diffusers', patch_size: 4, num_attention_heads: 2, attention_head_dim: 8, num_layers: 1 },
];

const momentumDecay = [null, { type: 'demon', compensate: true }, { type: 'demon', compensate: false }];

const optimizers = [
  { type: 'adamW', weightDecay: 0.1, decayGroups: ['matrix'] },
  { type: 'adam' },
  { type: 'sgd', lr: 0.05, nesterov: true },
  { type: 'sgd', lr: 0.01, form: 'heavyBall' },
  { type: 'lion', lr: 1e-3 },
  { type: 'muon', weightDecay: 0.1 },
  { type: 'adEMAMix', warmupSteps: 5 },
  { type: 'scheduleFreeAdamW', warmup: 2 },
];

const lrSchedules = [
  { type: 'constant' },
  { type: 'linear', finalRatio: 0.1 },
  { type: 'cosine' },
  { type: 'inverseSqrt', decaySteps: 3 },
];

const lossWeightings = [
  { type: 'constant' },
  { type: 'minSnr', gamma: 3 },
  { type: 'softMinSnr' },
  { type: 'p2' },
  { type: 'edm' },
  { type: 'truncatedSnr' },
];

const averages = [
  { type: 'power', decay: 0.9, power: 0.7 },
  { type: 'fixed', decay: 0.5 },
  { type: 'halfLife', images: 20 },
  { type: 'karras', relativeStd: 0.1 },
];

const schedules = [{ type: 'linear' }, { type: 'cosine' }, { type: 'sigmoid' }, { type: 'scaled-linear' }];

/**
 * A random configuration of `steps` steps. `resolveConfig` or `dm train` rejects those whose fields are incompatible.
 *
 * @param {Random} random
 * @param {string} data
 * @param {number} steps
 */
export function randomConfiguration(random, data, steps) {
  const optimizer = random.pick(optimizers);
  const isScheduleFree = optimizer.type === 'scheduleFreeAdamW';
  const engine = random.chance(0.7) ? 'onnx' : 'tfjs-cpu';
  return {
    ...tinyConfig(data, engine === 'onnx' ? steps : Math.ceil(steps / 4)),
    model: random.pick(models),
    diffusion: {
      schedule: random.pick(schedules),
      timesteps: random.pick([4, 20, 100]),
      prediction: random.pick(['epsilon', 'x0', 'v', 'edm']),
    },
    engine,
    threads: engine === 'onnx' ? 1 : null,
    curriculum: random.pick(timestepScheduleNames),
    lossWeighting: random.pick(lossWeightings),
    uncertainty: random.chance(0.3) ? { lr: 0.05 } : null,
    optimizer: isScheduleFree
      ? { ...optimizer, momentumDecay: null }
      : {
          ...optimizer,
          momentumDecay: random.pick(momentumDecay),
          maxGradNorm: random.pick([null, 1]),
          lrSchedule: random.pick(lrSchedules),
          warmup: random.pick([0, 3]),
        },
    ema: isScheduleFree ? { type: 'scheduleFree' } : random.pick(averages),
    extraEmas: random.pick([{}, { slow: random.pick(averages) }, { one: averages[1], two: averages[2] }]),
    gradientAccumulation: random.pick([1, 2, 4]),
    activationCheckpointing: random.chance(0.3),
    conditional: random.chance(0.6),
    labelDropout: random.pick([null, 0.5]),
    flip: random.chance(0.5),
    crop: random.pick([null, null, { size: 4, at: 'random' }]),
    seed: random.below(1000),
    evaluation: random.pick([
      {},
      { every: 5, samples: 2, metrics: ['fid'], extractor: { type: 'pixels', weights: null } },
    ]),
    probe: random.pick([{}, { every: 5, buckets: 2, images: 2 }]),
    checkpoints: { every: 1 + random.below(7), overlap: random.below(4), keepLast: 1 + random.below(3) },
  };
}
