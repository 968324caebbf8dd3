import { createHash } from 'node:crypto';
import { DmError } from '@dm/ops';
import { describe, expect, it } from 'vitest';
import { dit } from './dit/dit.js';
import { flatten, initialize, initializeFlat } from './initialize.js';
import { bufferLayout, parameterLayout } from './layout.js';
import { loadWeights } from './load-weights.js';
import type { Model } from './model.js';
import { caseModel, caseWeights, modelCases } from './testing/model-cases.js';
import { formatSafetensors } from './safetensors/format.js';
import { parseSafetensors } from './safetensors/parse.js';
import { toTorch, transpose } from './torch-layout.js';
import { unet2d } from './unet/extended.js';

const small = { block_out_channels: [8, 8], norm_num_groups: 4, layers_per_block: 1, sample_size: 8 } as const;
const levels = {
  down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
  up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
} as const;
const unet = unet2d({ ...small, ...levels });
const transformer = dit({ input_size: 8, hidden_size: 16, depth: 1, num_heads: 2, num_classes: 3 });

describe('layouts', () => {
  it('hold all trainable parameters in the order of the specs; buffers are separate', () => {
    const layout = parameterLayout(transformer);
    expect(layout.entries.map((e) => e.name)).toEqual(Object.keys(transformer.specs).filter((n) => n !== 'pos_embed'));
    expect(bufferLayout(transformer).entries.map((e) => e.name)).toEqual(['pos_embed']);
    expect(bufferLayout(unet).size).toBe(0);
  });

  it('assign groups: matrix, vector, embedding', () => {
    const group = Object.fromEntries(parameterLayout(transformer).entries.map((e) => [e.name, e.group]));
    expect(group['x_embedder.proj.weight']).toBe('matrix');
    expect(group['blocks.0.attn.qkv.weight']).toBe('matrix');
    expect(group['blocks.0.attn.qkv.bias']).toBe('vector');
    expect(group['y_embedder.embedding_table.weight']).toBe('embedding');
  });
});

/** Shapes and hashes: comparing millions of numbers one by one takes seconds. */
const digests = (params: ReturnType<typeof initialize>) =>
  Object.entries(params).map(([name, { dtype, shape, data }]) => [
    name,
    dtype,
    shape,
    createHash('sha256').update(data).digest('hex'),
  ]);

describe('files', () => {
  it('are transposed like an index formula', () => {
    const shape = [2, 3, 4, 5];
    const data = Float32Array.from({ length: 120 }, (_, i) => i);
    const out = transpose({ dtype: 'float32', shape, data }, [3, 2, 0, 1]);
    expect(out.shape).toEqual([5, 4, 2, 3]);
    for (let h = 0; h < 2; h++)
      for (let w = 0; w < 3; w++)
        for (let i = 0; i < 4; i++)
          for (let o = 0; o < 5; o++) {
            expect(out.data[((o * 4 + i) * 2 + h) * 3 + w]).toBe(data[((h * 3 + w) * 4 + i) * 5 + o]);
          }
  });

  it.each(modelCases.filter((c) => !c.heavy))('restore the weights of $name', (modelCase) => {
    const model = caseModel(modelCase);
    const start = initialize(model, 3);
    const { tensors } = parseSafetensors(formatSafetensors(toTorch(model, start)));
    expect(digests(loadWeights(model, tensors))).toEqual(digests(start));
  });

  it('of old diffusers versions have other names for attention layers', () => {
    const given = caseWeights(unet);
    const old = Object.fromEntries(
      Object.entries(given).map(([name, array]) => [
        name
          .replace('.to_q.', '.query.')
          .replace('.to_k.', '.key.')
          .replace('.to_v.', '.value.')
          .replace('.to_out.0.', '.proj_attn.'),
        array,
      ]),
    );
    expect(Object.keys(old)).toContain('mid_block.attentions.0.proj_attn.weight');
    expect(loadWeights(unet, old)).toEqual(loadWeights(unet, given));
  });

  it('are refused with all errors in one message', () => {
    const { ['conv_in.bias']: _, ...weights } = caseWeights(unet);
    weights['conv_out.weight'] = { dtype: 'float32', shape: [3, 8, 3], data: new Float32Array(72) };
    weights['spare'] = weights['conv_norm_out.bias']!;
    const bad = { ...weights, 'conv_out.bias': { dtype: 'int32', shape: [3], data: new Int32Array(3) } as const };
    expect(() => loadWeights(unet, bad)).toThrowWith({
      type: DmError,
      code: 'MODEL_WEIGHTS_MISMATCH',
      contains: [
        'UNet2DModel',
        'missing: conv_in.bias',
        'unknown: spare',
        'conv_out.weight must be [3, 8, 3, 3], got [3, 8, 3]',
        'conv_out.bias must be float32, got int32',
      ],
    });
    expect(() => toTorch(unet, { spare: weights['spare']! })).toThrowWith({ type: Error, contains: 'spare' });
  });

  it('may lack a fixed table', () => {
    const weights = caseWeights(transformer);
    expect(Object.keys(weights)).not.toContain('pos_embed');
    expect(loadWeights(transformer, weights)['pos_embed']).toEqual(initialize(transformer, 0)['pos_embed']);
  });
});

describe('initial values', () => {
  const values = (model: Model, name: string, seed = 0) => initialize(model, seed)[name]!.data;
  const moments = (data: Float32Array) => {
    const mean = data.reduce((sum, v) => sum + v, 0) / data.length;
    const variance = data.reduce((sum, v) => sum + (v - mean) ** 2, 0) / data.length;
    return { mean, std: Math.sqrt(variance), max: data.reduce((most, v) => Math.max(most, Math.abs(v)), 0) };
  };

  /** Checks range, mean, and standard deviation against the uniform distribution on ±bound. */
  function expectUniform(data: Float32Array, bound: number): void {
    const { mean, std, max } = moments(data);
    expect(max).toBeLessThanOrEqual(bound);
    expect(max).toBeGreaterThan(bound * (1 - 10 / data.length));
    expect(Math.abs(mean)).toBeLessThan((5 * bound) / Math.sqrt(3 * data.length));
    expect(Math.abs(std / (bound / Math.sqrt(3)) - 1)).toBeLessThan(5 / Math.sqrt(data.length));
  }

  const wide = unet2d({ ...small, ...levels, block_out_channels: [32, 64], num_class_embeds: 20 });

  it("of the UNet are PyTorch's: weights and biases uniform on ±1/sqrt(fan_in); norms 1 and 0; classes normal", () => {
    expectUniform(values(wide, 'down_blocks.1.resnets.0.conv1.weight'), 1 / Math.sqrt(32 * 9));
    expectUniform(values(wide, 'down_blocks.1.resnets.0.conv1.bias'), 1 / Math.sqrt(32 * 9));
    expectUniform(values(wide, 'time_embedding.linear_2.weight'), 1 / Math.sqrt(128));
    expectUniform(values(wide, 'time_embedding.linear_2.bias'), 1 / Math.sqrt(128));
    expect(new Set(values(wide, 'conv_norm_out.weight'))).toEqual(new Set([1]));
    expect(new Set(values(wide, 'conv_norm_out.bias'))).toEqual(new Set([0]));
    expect(moments(values(wide, 'class_embedding.weight')).std).toBeCloseTo(1, 1);
  });

  const larger = dit({ input_size: 8, hidden_size: 64, depth: 1, num_heads: 2, num_classes: 30 });

  it("of DiT are the reference's: Glorot, normal (std 0.02) for embeddings, zero for adaLN and the last layer", () => {
    expectUniform(values(larger, 'blocks.0.attn.qkv.weight'), Math.sqrt(6 / (64 + 192)));
    expectUniform(values(larger, 'x_embedder.proj.weight'), Math.sqrt(6 / (16 + 64)));
    for (const name of ['t_embedder.mlp.0.weight', 't_embedder.mlp.2.weight', 'y_embedder.embedding_table.weight']) {
      expect(Math.abs(moments(values(larger, name)).std / 0.02 - 1)).toBeLessThan(0.1);
    }
    const zero = Object.entries(initialize(larger, 0)).filter(([, { data }]) => data.every((v) => v === 0));
    expect(zero.map(([name]) => name).filter((name) => name.endsWith('weight'))).toEqual([
      'blocks.0.adaLN_modulation.1.weight',
      'final_layer.linear.weight',
      'final_layer.adaLN_modulation.1.weight',
    ]);
    const biases = Object.keys(larger.specs).filter((name) => name.endsWith('bias'));
    expect(zero.map(([name]) => name).filter((name) => name.endsWith('bias'))).toEqual(biases);
  });

  it('depend only on the seed and the index', () => {
    expect(initialize(unet, 7)).toEqual(initialize(unet, 7));
    expect(values(unet, 'conv_in.weight', 1)).not.toEqual(values(unet, 'conv_in.weight', 2));
    expect(values(unet, 'conv_in.bias')).not.toEqual(values(unet, 'conv_out.bias'));
    const { params, buffers } = initializeFlat(transformer, 5);
    expect(params).toEqual(flatten(initialize(transformer, 5), parameterLayout(transformer)));
    expect(buffers).toEqual(values(transformer, 'pos_embed'));
  });
});
