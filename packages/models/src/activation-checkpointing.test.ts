import '@tensorflow/tfjs-backend-cpu';
import { splitFlat } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { dit } from './dit/dit.js';
import { ditTransformer2d } from './dit/transformer2d.js';
import { initializeFlat } from './initialize.js';
import { parameterLayout } from './layout.js';
import type { Model } from './model.js';
import { unet2d } from './unet/extended.js';
import { uvit } from './uvit/uvit.js';

beforeAll(() => tf.setBackend('cpu'));

const models: readonly Model[] = [
  unet2d({
    sample_size: 8,
    block_out_channels: [4, 8],
    layers_per_block: 1,
    norm_num_groups: 2,
    attention_head_dim: null,
    down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
    dropout: 0.25,
  }),
  dit({ input_size: 8, patch_size: 4, hidden_size: 16, depth: 2, num_heads: 2, num_classes: 3 }),
  ditTransformer2d({
    sample_size: 8,
    patch_size: 4,
    num_attention_heads: 2,
    attention_head_dim: 8,
    num_layers: 2,
    num_embeds_ada_norm: 3,
  }),
  uvit({ img_size: 8, patch_size: 4, in_chans: 3, embed_dim: 16, depth: 2, num_heads: 2, num_classes: 3 }),
];

const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));

describe.each(models.map((model) => [model.kind, model] as const))('activation checkpointing in %s', (_, model) => {
  it('gives the same output and gradients', () => {
    const layout = parameterLayout(model);
    // Without zeros, which would hide the gradients of earlier layers.
    const data = initializeFlat(model, 1).params.map((v, i) => v + 0.05 * Math.sin(i));
    const [height, width, channels] = model.inputShape;
    const wave = (shape: number[]) =>
      tf.tensor(
        Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (__, i) => Math.sin(1 + i)),
        shape,
      );
    const x = wave([2, height, width, channels]);
    const options = {
      ...(model.condDim > 0 && { cond: tf.cast(tf.oneHot(tf.tensor1d([0, 2], 'int32'), model.condDim), 'float32') }),
      masks: Object.fromEntries(model.dropouts.map(({ name, shape }) => [name, wave([2, ...shape])])),
    };
    const loss =
      (activationCheckpointing: boolean) =>
      (params: tf.Tensor, image: tf.Tensor): tf.Scalar =>
        tf.sum(
          tf.square(
            model.apply(splitFlat(params, layout), image, tf.tensor1d([3, 700]), {
              ...options,
              activationCheckpointing,
            }),
          ),
        );
    const run = (activationCheckpointing: boolean) => {
      const { value, grads } = tf.valueAndGrads(loss(activationCheckpointing))([tf.tensor1d(data), x]);
      return [value, ...grads].map((t) => t.dataSync<'float32'>());
    };
    const plain = run(false);
    const again = run(true);
    plain.forEach((want, i) => {
      expect(again[i]!).toBeAllClose(want, { rtol: 1e-6, relativeTo: 'norm' });
      expect(norm(want)).toBeGreaterThan(0);
    });
  });
});
