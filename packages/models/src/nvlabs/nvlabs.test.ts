// Parity with NVlabs's code is in parity.test.ts.
import { openEagerEngine, splitFlat, toTensors } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../config-error.js';
import { initializeFlat } from '../initialize.js';
import { bufferLayout, parameterLayout } from '../layout.js';
import { caseModel, modelCaseInputs, modelCases, modelCaseState } from '../testing/model-cases.js';
import { edm2UNet } from './edm2-unet.js';
import { songUNet } from './song-unet.js';

const song = { img_resolution: 8, in_channels: 1, out_channels: 1, model_channels: 8, num_blocks: 1 };
const edm2 = { img_resolution: 8, img_channels: 1, model_channels: 8, num_blocks: 1, channels_per_head: 8 };
const edm2Case = modelCases.find(({ name }) => name === 'EDM2UNet')!;

function outputOf(model: ReturnType<typeof caseModel>, params: Float32Array): Float32Array {
  const { buffers } = modelCaseState(model);
  const { x, t, cond } = toTensors(modelCaseInputs(edm2Case, model));
  return tf.tidy(() => {
    const fixed = splitFlat(tf.tensor1d(buffers!.data as Float32Array), bufferLayout(model));
    const trained = splitFlat(tf.tensor1d(params), parameterLayout(model));
    return model.apply({ ...fixed, ...trained }, x!, t!, { cond: cond! }).dataSync() as Float32Array;
  });
}

describe('forced weight normalization', () => {
  const model = caseModel(edm2Case);
  const layout = parameterLayout(model);

  it('scales the weights of each output to unit magnitude, and keeps scalars', () => {
    const params = modelCaseState(model)['params']!.data as Float32Array;
    const normalized = model.normalization!.ofArray(params, layout);
    const gains = layout.entries.filter(({ shape }) => shape.length === 0).map(({ offset }) => offset);
    expect(gains.map((at) => normalized[at])).toEqual(gains.map((at) => params[at]));
    for (const { name, offset, size, shape } of layout.entries) {
      if (shape.length === 0) continue;
      const outputs = shape.at(-1)!;
      const ofFirst = Array.from({ length: size / outputs }, (_, i) => normalized[offset + i * outputs]!);
      const meanSquare = ofFirst.reduce((sum, w) => sum + w * w, 0) / ofFirst.length;
      // |w| / (1e-4 + |w| / sqrt(n)), of weights with a magnitude of about 1 / sqrt(n).
      expect(Math.sqrt(meanSquare), name).toBeGreaterThan(0.99);
      expect(Math.sqrt(meanSquare), name).toBeLessThan(1);
    }
  });

  it('is the same in a program, and does not change the output', async () => {
    const params = modelCaseState(model)['params']!.data as Float32Array;
    const normalized = model.normalization!.ofArray(params, layout);
    const engine = await openEagerEngine('tfjs-cpu');
    const program = engine.compile(({ params: p }) => ({ outputs: { p: model.normalization!.inProgram(p!, layout) } }));
    const handle = await program.load({ params: { dtype: 'float32', shape: [params.length], data: params } });
    expect((await program.run(handle, {}))['p']!).toBeAllClose(
      { dtype: 'float32', shape: [params.length], data: normalized },
      { rtol: 1e-6, relativeTo: 'norm' },
    );
    await engine.dispose();
    const [before, after] = [outputOf(model, params), outputOf(model, normalized)];
    // The network has only the direction of its weights, up to the 1e-4 in the denominator.
    const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const scale = largest(before);
    const worst = largest(before.map((value, i) => value - after[i]!));
    expect(worst / scale).toBeLessThan(0.02);
  });

  it('concerns EDM2 only, at whose initialization the output is 0', () => {
    expect(songUNet(song).normalization).toBeUndefined();
    const small = edm2UNet(edm2);
    const { params } = initializeFlat(small, 0);
    const names = parameterLayout(small).entries.filter(({ shape }) => shape.length === 0);
    expect(names.every(({ offset }) => params[offset] === 0)).toBe(true);
  });
});

describe('labels', () => {
  it('a null class of SongUNet is the label zero', () => {
    const model = songUNet({ ...song, channel_mult: [1], label_dim: 2, label_dropout: 0.1, attn_resolutions: [] });
    expect([model.numClasses, model.condDim]).toEqual([2, 3]);
    const without = songUNet({ ...song, channel_mult: [1], label_dim: 2, attn_resolutions: [] });
    expect(without.condDim).toBe(2);
    const params = Object.fromEntries(
      Object.entries(model.specs).map(([name, { shape }]) => [name, tf.fill([...shape], 0.03)]),
    );
    const [x, t] = [tf.ones([1, 8, 8, 1]), tf.tensor1d([0.3])];
    const values = (cond: number[], of = model) => of.apply(params, x, t, { cond: tf.tensor2d([cond]) }).dataSync();
    expect(values([0, 0, 1])).toEqual(values([0, 0, 0]));
    expect(values([0, 0, 1])).toEqual(values([0, 0], without));
    expect(values([1, 0, 0])).toEqual(values([1, 0], without));
  });
});

describe('a configuration is refused by the name of the field', () => {
  it.each([
    [() => songUNet({ ...song, model_channels: 3 }), 'model_channels'],
    [() => songUNet({ ...song, img_resolution: 6, channel_mult: [1, 2, 2] }), 'img_resolution'],
    [() => songUNet({ ...song, resample_filter: [1, 2, 1] }), 'resample_filter'],
    [() => songUNet({ ...song, encoder_type: 'other' as 'skip' }), 'encoder_type'],
    [() => songUNet({ ...song, model_channels: 36, channel_mult: [1, 4] }), 'model_channels'],
    [() => edm2UNet({ ...edm2, channels_per_head: 48 }), 'channels_per_head'],
    [() => edm2UNet({ ...edm2, res_balance: 1 }), 'res_balance'],
    [() => edm2UNet({ ...edm2, attn_resolutions: [0] }), 'attn_resolutions'],
    [() => edm2UNet({ ...edm2, depth: 2 } as never), 'depth'],
  ])('%#', (create, field) => {
    expect(create).toThrowWith({ type: ConfigError, contains: [field] });
  });
});
