import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@dm/ops';
import * as layers from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { adam } from './adam.js';
import { adamW } from './adamw.js';
import { adEMAMix } from './ademamix.js';
import { lion } from './lion.js';
import { momentumDecay } from './momentum-decay.js';
import { muon } from './muon.js';
import { scheduleFreeAdamW } from './schedule-free.js';
import { sgd } from './sgd.js';
import { createTfOptimizer } from './tf-optimizer.js';

beforeAll(() => tf.setBackend('cpu'));

function regression(optimizer: tf.Optimizer): layers.LayersModel {
  const ramp = (shape: number[]): tf.Tensor =>
    tf.tidy(() => tf.reshape(tf.sin(tf.range(1, 1 + shape.reduce((a, b) => a * b, 1))), shape));
  const model = layers.sequential({
    layers: [layers.layers.dense({ units: 4, activation: 'tanh', inputShape: [3] }), layers.layers.dense({ units: 2 })],
  });
  model.setWeights(model.getWeights().map((w) => ramp(w.shape)));
  model.compile({ optimizer, loss: 'meanSquaredError' });
  return model;
}

const x = (): tf.Tensor => tf.cos(tf.reshape(tf.range(0, 24), [8, 3]));
const y = (): tf.Tensor => tf.sin(tf.reshape(tf.range(0, 16), [8, 2]));

async function fit(optimizer: tf.Optimizer, epochs: number): Promise<{ weights: number[]; loss: number[] }> {
  const model = regression(optimizer);
  const history = await model.fit(x(), y(), { epochs, batchSize: 8, shuffle: false });
  const weights = model.getWeights().flatMap((w) => [...w.dataSync()]);
  return { weights, loss: history.history.loss as number[] };
}

describe('createTfOptimizer', () => {
  it("in model.compile: adam gives the same weights as TF.js's Adam", async () => {
    const own = await fit(createTfOptimizer(adam({ lr: 0.01 })), 20);
    const theirs = await fit(tf.train.adam(0.01, 0.9, 0.999, 1e-8), 20);
    expect(own.weights).toBeAllClose(theirs.weights, { atol: 1e-5 });
  });

  it.each([
    ['AdamW', () => createTfOptimizer(adamW({ lr: 0.02 }))],
    ['momentum decay on Adam', () => createTfOptimizer(adam({ ...momentumDecay({ lr: 0.02, totalSteps: 30 }) }))],
    [
      'momentum decay without compensation',
      () => createTfOptimizer(adamW({ ...momentumDecay({ lr: 0.02, totalSteps: 30, compensate: false }) })),
    ],
    ['momentum decay on AdamW', () => createTfOptimizer(adamW({ ...momentumDecay({ lr: 0.02, totalSteps: 30 }) }))],
    [
      'momentum decay on SGD',
      () => {
        const { lr, beta1 } = momentumDecay({ lr: 0.2, totalSteps: 30 });
        return createTfOptimizer(sgd({ lr, momentum: beta1 }));
      },
    ],
    ['SGD, heavy ball', () => createTfOptimizer(sgd({ lr: 0.02, form: 'heavyBall' }))],
    ['Lion', () => createTfOptimizer(lion({ lr: 0.01 }))],
    ['AdEMAMix', () => createTfOptimizer(adEMAMix({ lr: 0.01 }))],
    ['schedule-free AdamW', () => createTfOptimizer(scheduleFreeAdamW({ lr: 0.05 }))],
    ['Muon, from the layout', () => createTfOptimizer((layout) => muon({ layout, lr: 0.02, adam: { lr: 0.02 } }))],
  ])('trains with %s', async (_name, make) => {
    const { loss } = await fit(make(), 30);
    expect(loss.at(-1)!).toBeLessThan(0.7 * loss[0]!);
  });

  it('leaks no tensors, and its state can be saved and restored', async () => {
    const w = tf.variable(tf.tensor1d([1, -2]), true, 'w');
    const optimizer = createTfOptimizer(adam({ lr: 0.1 }));
    const step = (o: tf.Optimizer): void => void o.minimize(() => tf.sum<tf.Scalar>(tf.square(w)), false, [w]);
    step(optimizer);
    const tensors = tf.memory().numTensors;
    step(optimizer);
    expect(tf.memory().numTensors).toBe(tensors);

    const state = (await optimizer.getWeights()).map(({ name, tensor }) => ({ name, tensor: tf.clone(tensor) }));
    const at2 = w.dataSync().slice();
    step(optimizer);
    const at3 = [...w.dataSync()];
    w.assign(tf.tensor1d(at2));
    const resumed = createTfOptimizer(adam({ lr: 0.1 }));
    await resumed.setWeights(state);
    step(resumed);
    expect(resumed.iterations).toBe(3);
    expect([...w.dataSync()]).toEqual(at3);
  });

  it('may be given what it returned itself, which can be read after further steps', async () => {
    const w = tf.variable(tf.tensor1d([1, -2]), true, 'own');
    const step = (o: tf.Optimizer): void => void o.minimize(() => tf.sum<tf.Scalar>(tf.square(w)), false, [w]);
    const [optimizer, other] = [createTfOptimizer(adam({ lr: 0.1 })), createTfOptimizer(adam({ lr: 0.1 }))];
    step(optimizer);
    const state = await optimizer.getWeights();
    await optimizer.setWeights(state);
    await other.setWeights(state);
    step(optimizer);
    step(other);
    expect([optimizer.iterations, other.iterations]).toEqual([2, 2]);
    for (const { tensor } of state) expect([...tensor.dataSync()].every(Number.isFinite)).toBe(true);
    optimizer.dispose();
    step(other);
  });

  it('rejects variables other than those of the first step', () => {
    const a = tf.variable(tf.scalar(1), true, 'a');
    const b = tf.variable(tf.scalar(1), true, 'b');
    const optimizer = createTfOptimizer(adam({ lr: 0.1 }));
    optimizer.minimize(() => tf.square(a) as tf.Scalar, false, [a]);
    expect(() => optimizer.minimize(() => tf.square(b) as tf.Scalar, false, [b])).toThrowWith({
      type: RangeError,
      contains: ['createTfOptimizer', 'gradients of a;', 'has b'],
    });
  });
});
