import { describe, expect, it } from 'vitest';
import { dit } from './dit/dit.js';
import { ditTransformer2d } from './dit/transformer2d.js';
import { parameterLayout } from './layout.js';
import type { Model } from './model.js';
import { uvit } from './uvit/uvit.js';
import { unet2d } from './unet/extended.js';
import { unetPresets } from './unet/presets.js';

const matrices = (model: Model, isOuter: boolean) =>
  parameterLayout(model)
    .entries.filter(({ group, outer = false }) => group === 'matrix' && outer === isOuter)
    .map(({ name }) => name.replace(/\.weight$/, ''));

const transformer = { num_layers: 1, num_attention_heads: 2, attention_head_dim: 8, patch_size: 2, sample_size: 8 };

describe('the matrices of input, output, and time layers are outer', () => {
  it.each<[string, Model, string[]]>([
    [
      'UNet2DModel',
      unet2d({ ...unetPresets.mnist, num_class_embeds: 10 }),
      ['conv_in', 'time_embedding.linear_1', 'time_embedding.linear_2', 'conv_out'],
    ],
    [
      'DiT',
      dit({ input_size: 8, patch_size: 2, in_channels: 1, hidden_size: 16, depth: 1, num_heads: 2, num_classes: 3 }),
      [
        'x_embedder.proj',
        't_embedder.mlp.0',
        't_embedder.mlp.2',
        'final_layer.linear',
        'final_layer.adaLN_modulation.1',
      ],
    ],
    [
      'DiTTransformer2DModel',
      ditTransformer2d({ ...transformer, in_channels: 1 }),
      [
        'pos_embed.proj',
        'transformer_blocks.0.norm1.emb.timestep_embedder.linear_1',
        'transformer_blocks.0.norm1.emb.timestep_embedder.linear_2',
        'proj_out_1',
        'proj_out_2',
      ],
    ],
    [
      'UViT',
      uvit({ img_size: 8, patch_size: 2, in_chans: 1, embed_dim: 16, depth: 2, num_heads: 2, mlp_time_embed: true }),
      ['patch_embed.proj', 'time_embed.0', 'time_embed.2', 'decoder_pred', 'final_layer'],
    ],
  ])('%s', (_, model, outer) => {
    expect(matrices(model, true)).toEqual(outer);
    expect(matrices(model, false).length).toBeGreaterThan(3);
  });
});
