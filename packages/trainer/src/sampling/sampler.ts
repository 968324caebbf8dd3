/** Samples during training. */
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { classCondition, samplingBatchSize } from '@dm/models';
import type { Engine, StateHandle } from '@dm/ops';
import type { Images } from '../files/images.js';
import type { Denoiser } from '../setup/denoiser.js';
import { finishedSamples } from '../setup/latents.js';
import { alone, stretchOf, type Group } from '../setup/group.js';
import { createDenoiserSampler, labelsOf } from './denoiser-sampler.js';

/** Generates images from the same noise (of the run's seed) throughout training, shared among the ranks by their index. */
export interface PreviewSampler {
  /**
   * The first `count` images of the run's seed with the weights `ema` of `state`, which is not changed; undefined on ranks
   * other than 0.
   */
  images(state: StateHandle, count: number): Promise<Images | undefined>;
  dispose(): Promise<void>;
}

export function createPreviewSampler(denoiser: Denoiser, engine: Engine, group: Group = alone): PreviewSampler {
  const { config, model } = denoiser;
  const sampler = createDenoiserSampler(denoiser, engine, 'ema');
  const images = async (state: StateHandle, total: number): Promise<Images | undefined> => {
    const { first, count } = stretchOf(group, total);
    const indices = Array.from({ length: count }, (_, i) => first + i);
    const parts = await group.exchange(
      async () => {
        if (count === 0) return new Float32Array(0);
        const { data } = await sampler.sample({
          state,
          seed: config.seed,
          imageIndices: indices,
          batchSize: samplingBatchSize,
          ...classCondition(denoiser, count, labelsOf(denoiser, indices)),
          // An engine may run steps without ever returning to the event loop, which signals and timers need.
          onStep: () => eventLoopTurn(),
        });
        return data;
      },
      { to: 0 },
    );
    if (group.rank !== 0) return undefined;
    const made = parts.length === 1 ? parts[0]! : joined(parts);
    return finishedSamples(config, { images: made, shape: [total, ...model.inputShape] });
  };
  return {
    images,
    dispose: () => sampler.dispose(),
  };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
