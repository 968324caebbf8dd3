import * as tf from '@tensorflow/tfjs-core';
import type { Model } from '../model.js';
import { child, type ForwardContext, declare, buildModel, recomputable, root, type Scope } from '../scope.js';
import { sinusoid } from '../sinusoid.js';
import { timeMlp } from '../time-mlp.js';
import { jointAttention } from '../transformer/attention.js';
import { feedForward } from '../transformer/feed-forward.js';
import { checkImageSize, fromPatches, patchEmbedding } from '../transformer/patches.js';
import { conv, embedding, layerNorm, linear, normalInit, torchInit } from '../units.js';
import { type UViTConfig, uvitConfig } from './config.js';

/** Initialization of linear layers and positions. (The reference truncates at ±2, which is 100 standard deviations.) */
const init = normalInit(0.02);

/**
 * U-ViT (Bao et al. 2023, arXiv:2209.12152) with the architecture and parameter names of
 * https://github.com/baofff/U-ViT. Timestep and class are tokens, and long skip connections lead from the first half of
 * the blocks to the second.
 * @throws {ConfigError} if the configuration is invalid
 */
export function uvit(options: Partial<UViTConfig>): Model<UViTConfig> {
  const config = uvitConfig(options);
  const { img_size: size, patch_size: patch, in_chans: channels, embed_dim: hidden } = config;
  const side = size / patch;
  const patches = side * side;
  const classes = Math.max(config.num_classes, 0);
  const extras = classes > 0 ? 2 : 1;
  const tokens = patches + extras;
  const scope = root();

  // In the state dict, a module's own parameters come before its submodules'.
  const positions = declare(scope, 'pos_embed', {
    kind: 'vector',
    shape: [1, tokens, hidden],
    init: init(hidden, hidden).weight,
  });
  const embedPatches = patchEmbedding(child(scope, 'patch_embed.proj'), {
    channels,
    patch,
    hidden,
    tokens: patches,
    init: torchInit,
  });
  const embedTime = config.mlp_time_embed
    ? timeMlp(child(scope, 'time_embed'), { from: hidden, inner: 4 * hidden, to: hidden, names: ['0', '2'], init })
    : undefined;
  const embedLabels = classes > 0 ? embedding(child(scope, 'label_emb'), classes, hidden, 1) : undefined;
  const half = (name: string, skip: boolean) =>
    Array.from({ length: config.depth / 2 }, (_, i) => block(child(child(scope, name), i), config, tokens, skip));
  const inBlocks = half('in_blocks', false);
  const middle = block(child(scope, 'mid_block'), config, tokens, false);
  const outBlocks = half('out_blocks', config.skip);
  const norm = layerNorm(child(scope, 'norm'), hidden, { affine: true, epsilon: 1e-5, rows: tokens });
  const toPixels = linear(child(scope, 'decoder_pred'), hidden, patch * patch * channels, { rows: tokens, init });
  const last = config.conv
    ? conv(child(scope, 'final_layer'), { inChannels: channels, outChannels: channels, size: [size, size] })
    : undefined;

  const description = {
    kind: 'UViT',
    outerModules: ['patch_embed', 'time_embed', 'label_emb', 'decoder_pred', 'final_layer'],
    inputShape: [size, size, channels] as const,
    outChannels: channels,
    numClasses: classes,
    condDim: classes,
  };
  return buildModel(scope, description, config, (ctx, x, t, cond) => {
    checkImageSize('UViT', x, size);
    const token = (embedded: tf.Tensor) => tf.reshape(embedded, [-1, 1, hidden]);
    const time = sinusoid(t, hidden, { cosFirst: true });
    const before = [token(embedTime?.(ctx, time) ?? time)];
    if (embedLabels !== undefined) before.unshift(token(embedLabels(ctx, cond!)));
    let h: tf.Tensor = tf.add(tf.concat([...before, embedPatches(ctx, x)], 1), positions(ctx));

    const skips: tf.Tensor[] = [];
    for (const unit of inBlocks) {
      h = unit(ctx, h);
      skips.push(h);
    }
    h = middle(ctx, h);
    for (const unit of outBlocks) h = unit(ctx, h, skips.pop());

    // Decode only the patches. The reference decodes all tokens and drops the others.
    const decoded = toPixels(ctx, tf.slice(norm(ctx, h), [0, extras, 0], [-1, patches, hidden]));
    const image = fromPatches(decoded, patch, side, channels);
    return last?.(ctx, image) ?? image;
  });
}

/** Pre-norm transformer block, [N, T, D] → [N, T, D]. With `skip`, a linear layer merges its input and a skip input. */
function block(
  scope: Scope,
  { embed_dim: hidden, num_heads: heads, mlp_ratio, qkv_bias: qkvBias }: UViTConfig,
  tokens: number,
  skip: boolean,
): (ctx: ForwardContext, x: tf.Tensor, earlier?: tf.Tensor) => tf.Tensor {
  const normSettings = { affine: true, epsilon: 1e-5, rows: tokens };
  const norm1 = layerNorm(child(scope, 'norm1'), hidden, normSettings);
  const attention = jointAttention(child(scope, 'attn'), { hidden, heads, tokens, qkvBias, init });
  const norm2 = layerNorm(child(scope, 'norm2'), hidden, normSettings);
  const mlp = feedForward(child(scope, 'mlp'), {
    hidden,
    inner: Math.floor(hidden * mlp_ratio),
    tokens,
    activation: { approximate: 'none' },
    init,
    names: ['fc1', 'fc2'],
  });
  const mix = skip ? linear(child(scope, 'skip_linear'), 2 * hidden, hidden, { rows: tokens, init }) : undefined;
  return recomputable(scope, (ctx, x, earlier) => {
    let h = mix === undefined ? x : mix(ctx, tf.concat([x, earlier!], 2));
    h = tf.add(h, attention(ctx, norm1(ctx, h)));
    return tf.add(h, mlp(ctx, norm2(ctx, h)));
  });
}
