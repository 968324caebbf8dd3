import * as tf from '@tensorflow/tfjs-core';
import { silu } from '@dm/ops';
import type { Model } from '../model.js';
import { child, declare, buildModel, root } from '../scope.js';
import { sinusoid } from '../sinusoid.js';
import { timeMlp } from '../time-mlp.js';
import { checkImageSize, fromPatches, patchEmbedding } from '../transformer/patches.js';
import { lazyPositionTable } from '../transformer/position.js';
import { embedding, normalInit, xavierInit } from '../units.js';
import { ditBlock, finalLayer } from './block.js';
import { type DiTConfig, ditConfig, type DiTOptions } from './config.js';

/** Width of the sinusoidal timestep embedding. */
const timeFrequencies = 256;

/**
 * DiT (Peebles & Xie 2023, arXiv:2212.09748) with the architecture and parameter names of
 * https://github.com/facebookresearch/DiT. The position embedding `pos_embed` is a buffer; `apply` computes it if it is
 * not given.
 * @throws {ConfigError} if the configuration is invalid
 */
export function dit(options: DiTOptions): Model<DiTConfig> {
  const config = ditConfig(options);
  const { input_size: size, patch_size: patch, in_channels: channels, hidden_size: hidden, num_classes } = config;
  const side = size / patch;
  const tokens = side * side;
  const outChannels = config.learn_sigma ? 2 * channels : channels;
  const widths = { hidden, heads: config.num_heads, mlp: Math.floor(hidden * config.mlp_ratio), tokens };
  const condDim = num_classes === 0 ? 0 : num_classes + (config.class_dropout_prob > 0 ? 1 : 0);
  const scope = root();

  // In the state dict, a module's own parameters come before its submodules'.
  const table = lazyPositionTable(hidden, side);
  const tableShape: [number, number, number] = [1, tokens, hidden];
  const givenTable = declare(scope, 'pos_embed', {
    kind: 'vector',
    shape: tableShape,
    init: {
      kind: 'constant',
      get values() {
        return table();
      },
    },
    trainable: false,
  });
  const embedPatches = patchEmbedding(child(scope, 'x_embedder.proj'), {
    channels,
    patch,
    hidden,
    tokens,
    init: xavierInit,
  });
  const embedTime = timeMlp(child(scope, 't_embedder.mlp'), {
    from: timeFrequencies,
    to: hidden,
    names: ['0', '2'],
    init: normalInit(0.02),
  });
  const embedLabels =
    condDim > 0 ? embedding(child(scope, 'y_embedder.embedding_table'), condDim, hidden, 0.02) : undefined;
  const blocks = Array.from({ length: config.depth }, (_, i) => ditBlock(child(child(scope, 'blocks'), i), widths));
  const toPixels = finalLayer(child(scope, 'final_layer'), widths, patch * patch * outChannels);

  const description = {
    kind: 'DiT',
    outerModules: ['x_embedder', 't_embedder', 'y_embedder', 'final_layer'],
    inputShape: [size, size, channels] as const,
    outChannels,
    numClasses: num_classes,
    condDim,
  };
  return buildModel(scope, description, config, (ctx, x, t, cond) => {
    checkImageSize('DiT', x, size);
    const time = embedTime(ctx, sinusoid(t, timeFrequencies, { cosFirst: true }));
    const c = silu(embedLabels === undefined ? time : tf.add(time, embedLabels(ctx, cond!)));
    const positions = givenTable(ctx) ?? tf.tensor3d(table(), tableShape);
    let h: tf.Tensor = tf.add(embedPatches(ctx, x), positions);
    for (const block of blocks) h = block(ctx, h, c);
    return fromPatches(toPixels(ctx, h, c), patch, side, outChannels);
  });
}
