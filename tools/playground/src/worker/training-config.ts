import type { PartialConfig } from '@dm/trainer/core';
import type { PlaygroundConfig } from '../config.js';
import type { TrainingImages } from './messages.js';

/** A UNet of two or three resolutions, so that a step takes a fraction of a second in WebAssembly. */
function unet(side: number): PartialConfig['model'] {
  const levels = side <= 16 ? 2 : 3;
  return {
    type: 'unet',
    block_out_channels: [16, 32, 64].slice(0, levels),
    down_block_types: Array.from({ length: levels }, () => 'DownBlock2D' as const),
    up_block_types: Array.from({ length: levels }, () => 'UpBlock2D' as const),
    layers_per_block: 1,
    norm_num_groups: 8,
    attention_head_dim: null,
    add_attention: true,
  };
}

/** A DiT of 49 to 64 patches. */
function dit(side: number): PartialConfig['model'] {
  return { type: 'dit', patch_size: side <= 16 ? 2 : 4, hidden_size: 96, depth: 4, num_heads: 4 };
}

/**
 * The trainer's configuration. `model` counts from 0; the second model differs in its seed, and so in its initial weights,
 * batches, noise, and timesteps.
 */
export function trainingConfig(config: PlaygroundConfig, data: TrainingImages, model: number): PartialConfig {
  const side = data.shape[0];
  // Two models must have nothing in common but the noise, not even the class of an image.
  const isConditional = data.classes.length > 0 && !config.twins;
  return {
    preset: 'mnist',
    model: config.model === 'unet' ? unet(side) : dit(side),
    conditional: isConditional,
    ...(isConditional && { labelDropout: 0.1 }),
    curriculum: { type: config.curriculum },
    optimizer: {
      lr: config.lr,
      warmup: Math.min(20, config.steps),
      momentumDecay: config.momentum === 'demon' ? { type: 'demon', compensate: true } : null,
    },
    ema: { type: 'power', decay: 0.995, power: 2 / 3 },
    batchSize: config.batch,
    totalSteps: config.steps,
    logEvery: 5,
    // The worker saves whenever it draws pictures, and draws them with its own sampler. Of two networks, one may have been
    // saved when the page was closed: the one before makes them start together.
    sampleEvery: 0,
    samples: 1,
    checkpoints: { every: 0, minutes: null, keepLast: 2 },
    seed: config.seed + 1_000_000 * model,
    sampler: { type: 'ddim', steps: 8, guidance: 1, path: { type: 'discrete', spacing: 'trailing' } },
  };
}
