import * as tf from '@tensorflow/tfjs-core';
import { silu } from '@dm/ops';
import type { Model } from '../model.js';
import { child, block as named, type ForwardContext, buildModel, recomputable, root, type Scope } from '../scope.js';
import { sinusoid } from '../sinusoid.js';
import { timeMlp } from '../time-mlp.js';
import { separateAttention } from '../transformer/attention.js';
import { feedForward } from '../transformer/feed-forward.js';
import { checkImageSize, fromPatches, patchEmbedding } from '../transformer/patches.js';
import { lazyPositionTable } from '../transformer/position.js';
import { embedding, layerNorm, linear, torchInit } from '../units.js';
import { type BlockUnits, modulate, modulatedBlock, modulation } from './modulation.js';
import { type DiTTransformer2DConfig, ditTransformer2dConfig } from './transformer2d-config.js';

/** Width of the sinusoidal timestep embedding. */
const timeFrequencies = 256;

/**
 * DiT (Peebles & Xie 2023, arXiv:2212.09748) with the architecture and parameter names of `DiTTransformer2DModel` of
 * diffusers. Differences from `dit`: each block has its own embedding of timestep and class, the lowest frequency of
 * the timestep embedding is exactly 1/10000, and the norm before the MLP has its own epsilon.
 * @throws {ConfigError} if the configuration is invalid or not supported
 */
export function ditTransformer2d(options: Partial<DiTTransformer2DConfig>): Model<DiTTransformer2DConfig> {
  const config = ditTransformer2dConfig(options);
  const { sample_size: size, patch_size: patch, in_channels: channels, num_embeds_ada_norm: classes } = config;
  const hidden = config.num_attention_heads * config.attention_head_dim;
  const side = size / patch;
  const tokens = side * side;
  const outChannels = config.out_channels ?? channels;
  const scope = root();

  const init = torchInit;
  const embedPatches = patchEmbedding(child(scope, 'pos_embed.proj'), { channels, patch, hidden, tokens, init });
  const blocks = Array.from({ length: config.num_layers }, (_, i) =>
    block(child(child(scope, 'transformer_blocks'), i), config, tokens),
  );
  const normOut = layerNorm(child(scope, 'norm_out'), hidden, { affine: false, epsilon: 1e-6, rows: tokens });
  const outModulations = modulation(child(scope, 'proj_out_1'), hidden, 2, init);
  const toPixels = linear(child(scope, 'proj_out_2'), hidden, patch * patch * outChannels, { rows: tokens });

  const table = lazyPositionTable(hidden, side);
  const description = {
    kind: 'DiTTransformer2DModel',
    outerModules: ['pos_embed', 'norm1.emb', 'proj_out_1', 'proj_out_2'],
    inputShape: [size, size, channels] as const,
    outChannels,
    numClasses: classes,
    condDim: classes + 1,
  };
  return buildModel(scope, description, config, (ctx, x, t, cond) => {
    checkImageSize('DiTTransformer2DModel', x, size);
    const time = sinusoid(t, timeFrequencies, { freqShift: 1, cosFirst: true });
    let h: tf.Tensor = tf.add(embedPatches(ctx, x), tf.tensor3d(table(), [1, tokens, hidden]));
    for (const { embed, apply } of blocks) h = apply(ctx, h, embed(ctx, time, cond!));
    const [shift, scale] = outModulations(ctx, blocks[0]!.embed(ctx, time, cond!)) as [tf.Tensor, tf.Tensor];
    return fromPatches(toPixels(ctx, modulate(normOut(ctx, h), shift, scale)), patch, side, outChannels);
  });
}

/** `BasicTransformerBlock` with `AdaLayerNormZero`; `embed` computes its conditioning vector [N, D]. */
function block(scope: Scope, config: DiTTransformer2DConfig, tokens: number) {
  const { num_attention_heads: heads, attention_bias: qkvBias, num_embeds_ada_norm: classes } = config;
  const hidden = heads * config.attention_head_dim;
  const init = torchInit;
  const embedding1 = child(scope, 'norm1.emb');
  const embedTime = timeMlp(child(embedding1, 'timestep_embedder'), {
    from: timeFrequencies,
    to: hidden,
    names: ['linear_1', 'linear_2'],
  });
  const embedClass = embedding(child(embedding1, 'class_embedder.embedding_table'), classes + 1, hidden, 1);
  const modulations = modulation(child(scope, 'norm1.linear'), hidden, 6, init);
  const units: BlockUnits = {
    modulations,
    norm1: layerNorm(child(scope, 'norm1.norm'), hidden, { affine: false, epsilon: 1e-6, rows: tokens }),
    attention: separateAttention(child(scope, 'attn1'), { hidden, heads, tokens, qkvBias, init }),
    norm2: layerNorm(child(scope, 'norm3'), hidden, { affine: false, epsilon: config.norm_eps, rows: tokens }),
    feedForward: feedForward(child(scope, 'ff'), {
      hidden,
      inner: 4 * hidden,
      tokens,
      activation: { approximate: 'tanh' },
      init,
      names: ['net.0.proj', 'net.2'],
    }),
  };
  return {
    embed: named(embedding1, (ctx: ForwardContext, time: tf.Tensor, cond: tf.Tensor) =>
      silu(tf.add(embedTime(ctx, time), embedClass(ctx, cond))),
    ),
    apply: recomputable(scope, (ctx: ForwardContext, x: tf.Tensor, c: tf.Tensor) => modulatedBlock(ctx, units, x, c)),
  };
}
