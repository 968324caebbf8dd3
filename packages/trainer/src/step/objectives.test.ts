/** Losses and gradients of the objectives against EDM's, EDM2's, DiT's, SiT's and JiT's: tools/parity/objectives_fixture.py. */
import type { Prediction } from '@dm/core';
import type { WeightedPrediction } from '@dm/curriculum';
import { float32, type Float32NdArray, flatLayout } from '@dm/ops';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import { objectives } from '../config/objectives.js';
import { resolveConfig } from '../config/resolve.js';
import type { PartialConfig } from '../config/schema.js';
import { createTrainingSetup } from '../setup/training-setup.js';
import { uncertaintyObjective } from '../setup/uncertainty.js';
import { stepInputs } from './batch.js';
import { denoisingLosses } from './denoising-losses.js';
import rows from './fixtures/objectives.json' with { type: 'json' };

beforeAll(() => tf.setBackend('cpu'));

it('@dm/core and @dm/curriculum have the same predictions', () => {
  expectTypeOf<WeightedPrediction>().toEqualTypeOf<Prediction>();
});

const shape = [4, 2, 3, 1];
const channels = 128;
const each = (f: (j: number) => number): Float32NdArray =>
  float32(
    Array.from({ length: 24 }, (_, j) => f(j)),
    shape,
  );
const tensor = ({ data, shape: of }: Float32NdArray): tf.Tensor => tf.tensor(data, [...of]);
const noise = each((j) => 1.2 * Math.sin(1.7 * j + 0.5) + 0.4 * Math.cos(j * j));
const images = each((j) => {
  const s = Math.max(-1, Math.min(1, 1.3 * Math.sin(2.1 * j)));
  return Math.round(127.5 + 127.5 * s) / 127.5 - 1;
});
const parameters = [0.7, 0.3, 0.4, 0.9, -0.2, 0.6, 0.5, 0.1];
const [lnSigmas, times, timesteps] = [
  [-4, -1.2, 0.3, 2.5],
  [0.02, 0.3, 0.65, 0.97],
  [0, 1, 5, 11],
];
const betas = Array.from({ length: 12 }, (_, t) => 1e-3 + ((0.3 - 1e-3) * t) / 11);

/** The network of the fixture: eight parameters, x [N, H, W, 1], t [N]. */
function network(at: tf.Tensor[], x: tf.Tensor, t: tf.Tensor, learnsVariance: boolean): tf.Tensor {
  const shift = tf.reshape(tf.sin(tf.mul(t, 0.01)), [4, 1, 1, 1]);
  const inner = tf.add(tf.add(tf.mul(at[0]!, x), tf.mul(at[1]!, tensor(each(Math.cos)))), tf.mul(at[2]!, shift));
  const output = tf.add(tf.mul(at[3]!, tf.tanh(inner)), at[4]!);
  if (!learnsVariance) return output;
  const angle = tf.add(tf.mul(at[5]!, x), tf.mul(at[6]!, tensor(each((j) => j))));
  return tf.concat([output, tf.add(tf.sin(angle), at[7]!)], -1);
}

const discrete = { schedule: { type: 'betas', betas }, timesteps: 12 } as const;
const spaces = ['epsilon', 'x0', 'v', 'flow'] as const;

/** The configuration of each row of the fixture, and the noise levels that it is at. */
const cases: Record<string, { config: PartialConfig; positions?: number[] }> = {
  edm: { config: objectives['edm']!, positions: lnSigmas },
  edm2: { config: objectives['edm2']!, positions: lnSigmas },
  flow: { config: objectives['flow']!, positions: times },
  'flow-x0': { config: objectives['flow-x0']!, positions: times },
  ...Object.fromEntries(
    (['epsilon', 'x0'] as const).map((type) => [
      `hybrid, ${type}`,
      // DiT's weight of the bound is 1: lambda T.
      {
        config: {
          diffusion: { ...discrete, prediction: { type }, variance: { type: 'learnedRange', lambda: 1 / 12 } },
        },
      },
    ]),
  ),
  ...Object.fromEntries(
    spaces.flatMap((type) =>
      spaces.map((loss) => [
        `${type} in ${loss}`,
        { config: { diffusion: { ...discrete, prediction: { type }, loss: { type: loss } } } },
      ]),
    ),
  ),
};

it('covers the fixture', () => expect(Object.keys(cases).toSorted()).toEqual(rows.map((row) => row.name).toSorted()));

describe.each(rows)('$name', ({ name, loss: losses, gradient, ...more }) => {
  const { config, positions } = cases[name]!;
  const setupOf = () => {
    const resolved = resolveConfig([
      { source: 'test', value: { batchSize: 4, conditional: false, model: { type: 'dit' } } },
      { source: 'test', value: config },
    ]);
    const source = {
      name: 'none',
      shape: [8, 8, 1] as const,
      classes: [],
      read: () => Promise.reject(new Error('no data')),
    };
    const { model, ...setup } = createTrainingSetup(resolved, source);
    const learnsVariance = model.outChannels === 2;
    return {
      ...setup,
      bufferLayout: flatLayout([]),
      layout: flatLayout(parameters.map((_, i) => ({ name: `p${i}`, shape: [], group: 'vector' }))),
      model: {
        ...model,
        dropouts: [],
        apply: (named: Record<string, tf.Tensor>, x: tf.Tensor, t: tf.Tensor) =>
          network(
            parameters.map((_, i) => named[`p${i}`]!),
            x,
            t,
            learnsVariance,
          ),
      },
    };
  };

  it('losses and gradient', () => {
    const setup = setupOf();
    const sample = {
      timesteps: Int32Array.from(timesteps),
      weights: new Float32Array(4).fill(1),
      ...(positions !== undefined && { positions: Float64Array.from(positions) }),
    };
    const arrays = stepInputs(setup, { images, noise }, sample, 0);
    const inputs = Object.fromEntries(
      Object.entries(arrays).map(([key, array]) => [key, tf.tensor(array.data, [...array.shape])]),
    );
    const head = tf.tensor1d(Array.from({ length: channels }, (_, j) => 0.2 * Math.sin(j)));
    if ('head' in more) {
      const phi = lnSigmas.map((x) =>
        Array.from({ length: channels }, (_, j) => Math.sqrt(2 / channels) * Math.cos((x / 4) * (1 + j / 16) + j)),
      );
      inputs['uncertainty.features'] = tf.tensor2d(phi);
    }
    const objective = (p: tf.Tensor, a: tf.Tensor): tf.Tensor => {
      const errors = denoisingLosses(setup, p, {}, inputs);
      return 'head' in more ? uncertaintyObjective(errors, a, inputs) : tf.mul(errors, inputs['weights']!);
    };
    const p = tf.tensor1d(parameters);
    expect(objective(p, head).dataSync()).toBeAllClose(losses, { rtol: 1e-5, relativeTo: 'largest' });
    const byP = tf.grad((at) => tf.mean(objective(at, head)))(p);
    expect(byP.dataSync()).toBeAllClose(gradient, { rtol: 1e-3, relativeTo: 'largest' });
    if (!('head' in more)) return;
    const byHead = tf.grad((a) => tf.mean(objective(p, a)))(head);
    expect(byHead.dataSync()).toBeAllClose(more.head, { rtol: 1e-3, relativeTo: 'largest' });
  });
});
