import { normal, uniform } from '@dm/core';
import { createMemoryDataset } from '@dm/data';
import { float32, type NdArray } from '@dm/ops';
import { openEngine } from '@dm/trainer';
import { determinant, Matrix } from 'ml-matrix';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  compileFlow,
  encodeImages,
  flowLayout,
  flowTables,
  initialFlowWeights,
  tables,
  trainFlow,
} from './normalizing-flow.js';

let engine: Awaited<ReturnType<typeof openEngine>>;
beforeAll(async () => {
  engine = await openEngine('tfjs-cpu');
});
afterAll(() => engine.dispose());

const shape = [2, 3, 1] as const;
const D = 6;
const size = { couplings: 4, hidden: 8, start: 'random' } as const;
const params = normal({ seed: 1, stream: 'probe' }, flowLayout(shape, size).size).map((value) => 0.5 * value);
const fixed = tables(shape, {
  mean: Float32Array.from({ length: D }, (_, i) => 0.3 - 0.1 * i),
  std: Float32Array.from({ length: D }, (_, i) => 0.2 + 0.05 * i),
});

/** Bytes and images [N, 2, 3, 1] of the bytes. */
function images(count: number): NdArray {
  const bytes = Array.from(uniform({ seed: 2, stream: 'probe' }, count * D), (u) => Math.floor(40 + 170 * u));
  return float32(
    bytes.map((byte) => byte / 127.5 - 1),
    [count, ...shape],
  );
}

/** Noise [N, D] and log-likelihood [N] of images and u. */
async function encoded(of: NdArray, u: Float32Array) {
  const program = engine.compile((state, given) => ({
    outputs: { ...encodeImages(state['params']!, state, given['images']!, given['u']!, shape, size) },
  }));
  const state = await program.load({ ...fixed, params: float32(params) });
  const { noise, logLikelihood } = await program.run(state, { images: of, u: float32(u, [u.length / D, D]) });
  state.dispose();
  await program.dispose();
  return { noise: noise!.data, logLikelihood: logLikelihood!.data };
}

it('has the log-likelihood of the change of variables, with a numerical Jacobian', async () => {
  const count = 3;
  const of = images(count);
  const u = Float32Array.from(uniform({ seed: 3, stream: 'probe' }, count * D));
  const { noise, logLikelihood } = await encoded(of, u);
  const h = 0.05;
  const columns: { low: ArrayLike<number>; high: ArrayLike<number> }[] = [];
  for (let j = 0; j < D; j++) {
    const moved = (by: number) => u.map((value, i) => (i % D === j ? value + by : value));
    columns.push({ low: (await encoded(of, moved(-h))).noise, high: (await encoded(of, moved(h))).noise });
  }
  for (let n = 0; n < count; n++) {
    const jacobian = Matrix.zeros(D, D);
    columns.forEach(({ low, high }, j) => {
      for (let i = 0; i < D; i++) jacobian.set(i, j, (high[n * D + i]! - low[n * D + i]!) / (2 * h));
    });
    let logNormal = (-D / 2) * Math.log(2 * Math.PI);
    for (let i = 0; i < D; i++) logNormal -= noise[n * D + i]! ** 2 / 2;
    expect(logLikelihood[n]! - logNormal).toBeCloseTo(Math.log(Math.abs(determinant(jacobian))), 1);
  }
});

it('decodes the noise that it encodes images to', async () => {
  const of = images(5);
  const { noise } = await encoded(of, new Float32Array(5 * D).fill(0.5));
  const flow = compileFlow(engine, shape, size, fixed);
  const back = await flow.samples(params, float32(Float32Array.from(noise), [5, ...shape]));
  expect(back.shape).toEqual([5, ...shape]);
  back.data.forEach((value, i) => expect(value).toBeCloseTo(of.data[i]!, 3));
  await flow.dispose();
});

it('starts as the identity between standardized logits and noise, and learns correlated values', async () => {
  // Two gray levels per image, each of three pixels.
  const bytes = Uint8Array.from({ length: 400 * D }, (_, i) => {
    const n = Math.floor(i / D);
    return 60 + (i % D < 3 ? (n * 37) % 120 : (n * 53) % 120) + ((i * 7) % 5);
  });
  const train = createMemoryDataset({ name: 'levels', images: bytes, shape: [...shape] });
  const recipe = {
    couplings: 4,
    hidden: 16,
    start: 'identity',
    lr: 1e-2,
    batchSize: 32,
    images: 1600,
    emaHalfLife: 200,
  } as const;
  const of = float32(
    Array.from(bytes.subarray(0, 100 * D), (byte) => byte / 127.5 - 1),
    [100, ...shape],
  );
  const fromData = await flowTables(train);
  const flow = compileFlow(engine, shape, recipe, fromData);
  const start = initialFlowWeights(shape, recipe, 0);
  const [zero, one] = await Promise.all(
    [0, 1].map((value) => flow.samples(start, float32(new Float32Array(D).fill(value), [1, ...shape]))),
  );
  // Zero noise gives the mean of the logits, and noise 1 something brighter.
  zero!.data.forEach((value, i) => {
    expect(value).toBeLessThan(one!.data[i]!);
    expect(Math.abs(127.5 * (value + 1) - 122)).toBeLessThan(10);
  });
  const trained = await trainFlow({ train, engine, recipe, seed: 0, tables: fromData });
  const before = await flow.bitsPerDim(start, of);
  // Uniform bytes between 60 and 184 need log2 125 = 7.0 bits.
  expect(before).toBeGreaterThan(6.5);
  expect(await flow.bitsPerDim(trained, of)).toBeLessThan(before - 1);
  await flow.dispose();
});
