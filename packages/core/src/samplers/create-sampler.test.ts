import * as tf from '@tensorflow/tfjs-core';
import { openEagerEngine, type Engine, float32 } from '@dm/ops';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { discretePath } from '../levels/path.js';
import { normalBatch } from '../random/draw.js';
import { linearSchedule } from '../schedules/linear.js';
import { createSampler, sampleImages, type SamplerOptions } from './create-sampler.js';
import { ddim } from './ddim.js';
import { ddpm } from './ddpm.js';

let engine: Engine;
beforeAll(async () => {
  engine = await openEagerEngine('tfjs-cpu');
});
afterAll(() => engine.dispose());

const shape = [4, 4, 2];
const schedule = linearSchedule();
/** Predicts epsilon as weight · x, whatever t. */
const options = (): SamplerOptions => ({
  engine,
  predict: (state, x) => tf.mul(x, state['weight']!),
  prediction: 'epsilon',
  sampler: ddim(),
  path: discretePath(schedule, { steps: 10 }),
  shape,
});
const state = { weight: float32([0.9], []) };

describe('createSampler', () => {
  test.each([ddim(), ddpm()])('image i of a seed is the same in any batch: $name', async (sampler) => {
    const all = await sampleImages({ ...options(), sampler, state, seed: 7, n: 5 });
    expect(all.shape).toEqual([5, ...shape]);
    const some = await sampleImages({ ...options(), sampler, state, seed: 7, imageIndices: [4, 1] });
    expect(some.data.subarray(0, 32)).toEqual(all.data.subarray(4 * 32));
    expect(some.data.subarray(32)).toEqual(all.data.subarray(32, 64));
    const pieces = await sampleImages({ ...options(), sampler, state, seed: 7, n: 5, batchSize: 2 });
    expect(pieces).toEqual(all);
    const other = await sampleImages({ ...options(), sampler, state, seed: 8, n: 5 });
    expect(other.data).not.toEqual(all.data);
  });

  test('one sampler, several states: arrays and a handle that stays usable', async () => {
    const prepared = createSampler(options());
    const handle = await prepared.load(state);
    const first = await prepared.sample({ state: handle, seed: 1, n: 2 });
    expect(await prepared.sample({ state: handle, seed: 1, n: 2 })).toEqual(first);
    expect(await prepared.sample({ state, seed: 1, n: 2 })).toEqual(first);
    const half = await prepared.sample({ state: { weight: float32([0.5], []) }, seed: 1, n: 2 });
    expect(half.data).not.toEqual(first.data);
    handle.dispose();
    await prepared.dispose();
  });

  test('says whether states may be compiled in', () => {
    const compiled: unknown[] = [];
    const watched: Engine = {
      ...engine,
      compile: (program, given) => (compiled.push(given?.frozenState), engine.compile(program, given)),
    };
    createSampler({ ...options(), engine: watched });
    createSampler({ ...options(), engine: watched, frozenState: true, guidance: { scale: 2 } });
    expect(compiled).toEqual([false, true, true]);
  });

  test('leaves no tensor behind', async () => {
    const before = tf.memory().numTensors;
    await sampleImages({ ...options(), sampler: ddpm(), state, seed: 1, n: 3, batchSize: 2 });
    expect(tf.memory().numTensors).toBe(before);
  });

  test('the initial noise may be given, and is that of the stream otherwise', async () => {
    const initialNoise = normalBatch({ seed: 3, stream: 'sample', indices: [0, 1] }, shape);
    const given = await sampleImages({ ...options(), state, seed: 99, n: 2, initialNoise });
    expect(given).toEqual(await sampleImages({ ...options(), state, seed: 3, n: 2 }));
  });

  test('reports each step, with the rows of extra inputs that belong to its images', async () => {
    const seen: object[] = [];
    const images = await sampleImages({
      ...options(),
      predict: (_, x, t, inputs) =>
        tf.add(tf.mul(x, 0), tf.reshape(tf.add(inputs['shift']!, tf.mul(t, 0)), [-1, 1, 1, 1])),
      prediction: 'x0',
      state: {},
      seed: 0,
      n: 3,
      batchSize: 2,
      inputs: { shift: float32([0.25, -0.5, 0.75]) },
      onStep: ({ step, steps, level, first, count, x, x0 }) => {
        seen.push({ step, steps, t: level.t, first, count, shape: x.shape, x0: x0.data[0] });
      },
    });
    expect(seen).toHaveLength(20);
    expect(seen[0]).toEqual({ step: 1, steps: 10, t: 900, first: 0, count: 2, shape: [2, 4, 4, 2], x0: 0.25 });
    expect(seen[19]).toEqual({ step: 10, steps: 10, t: 0, first: 2, count: 1, shape: [1, 4, 4, 2], x0: 0.75 });
    expect([0, 32, 64].map((i) => images.data[i])).toEqual([0.25, -0.5, 0.75]);
  });

  test('an error of the callback ends it', async () => {
    const boom = sampleImages({
      ...options(),
      state,
      seed: 0,
      n: 1,
      onStep: () => Promise.reject(new Error('enough')),
    });
    await expect(boom).rejects.toThrow('enough');
  });

  test.each<[string, object, string[]]>([
    ['n and imageIndices', { n: 1, imageIndices: [0] }, ['n or imageIndices']],
    ['neither', {}, ['n or imageIndices']],
    ['no image', { n: 0 }, ['sample: n', '>= 1', 'got 0']],
    ['batch 0', { n: 1, batchSize: 0 }, ['batchSize', '>= 1', 'got 0']],
    ['seed', { n: 1, seed: -1 }, ['seed', '0 to 9007199254740991', 'got -1']],
    [
      'noise',
      { n: 2, initialNoise: float32(new Float32Array(32), [1, 4, 4, 2]) },
      ['initialNoise', '[2, 4, 4, 2]', 'got [1, 4, 4, 2]'],
    ],
    ['inputs', { n: 2, inputs: { cond: float32([1]) } }, ['input "cond"', '[2, ...]', 'got [1]']],
  ])('refuses %s', async (_, request, contains) => {
    const sampling = sampleImages({ ...options(), state, seed: 0, ...request });
    await expect(sampling).rejects.toThrowWith({ type: RangeError, contains });
  });
});
