// The learned uncertainty: its formulas against PyTorch, its step against plain ones, its file, and what does not see it.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { noiseLevels } from '@dm/core';
import type { TimestepSample } from '@dm/curriculum';
import { parseSafetensors } from '@dm/models';
import type { Arrays } from '@dm/ops';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawTimesteps, fetchBatch } from '../step/batch.js';
import type { PartialConfig } from '../config/schema.js';
import { openEngine } from './engine.js';
import { openTrainingSetup } from './open-training-setup.js';
import type { TrainingSetup } from './training-setup.js';
import { resolveConfig } from '../config/resolve.js';
import { generateSamples } from '../sampling/generate-samples.js';
import { initialState } from '../checkpoint/state.js';
import { compileStep } from '../step/compiled-step.js';
import { tinyConfig, tinyDit, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { uncertaintyChannels, uncertaintyObjective, uncertaintyWeights } from './uncertainty.js';
import { UserError } from '../errors.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const C = uncertaintyChannels;

function configOf(part: PartialConfig): PartialConfig {
  return { ...tinyConfig(folder, 4), model: { type: 'dit', ...tinyDit }, ...part };
}

function recipeOf(part: PartialConfig): Promise<TrainingSetup> {
  return openTrainingSetup(resolveConfig([{ source: 'test', value: configOf(part) }]));
}

/**
 * PyTorch 2.13 in float64, by autograd of the loss as EDM2 writes it:
 *
 *   phi = sqrt(2 / 128) * cos(7 * i + j);  a = 0.2 * sin(j);  u = phi @ a
 *   loss = (iw * (w / u.exp() * L + u)).mean();  loss.backward()
 */
it('weighs examples and differentiates by the head as PyTorch does', () => {
  const [n, L, w, iw] = [4, [0.3, 0.05, 1.2, 0.7], [1, 2, 0.5, 4], [1, 0.5, 2, 1]];
  const phi = Array.from({ length: n * C }, (_, k) => Math.sqrt(2 / C) * Math.cos(7 * Math.floor(k / C) + (k % C)));
  const head = tf.tensor1d(Array.from({ length: C }, (_, j) => 0.2 * Math.sin(j)));
  const inputs = {
    'uncertainty.features': tf.tensor2d(phi, [n, C]),
    importance: tf.tensor1d(iw),
    weights: tf.tensor1d(w.map((value, i) => value * iw[i]!)),
  };
  const scaled = uncertaintyWeights(head, inputs);
  const objective = (a: tf.Tensor) => tf.mean(uncertaintyObjective(tf.tensor1d(L), a, inputs));
  const gradient = tf.grad(objective)(head).dataSync<'float32'>();

  // dloss/dL_i = scaled_i / n
  const byLoss = [0.2474090662341212, 0.7085002136802101, 1.2150527481933178, 3.8277336848473658];
  scaled.dataSync().forEach((value, i) => expect(value / n / byLoss[i]!).toBeCloseTo(1, 5));
  const byWeight = [0.18037075736438782, 0.4048859029275511, 0.25715081656613153, -0.1270075446344394];
  byWeight.forEach((value, j) => expect(gradient[j]! / value).toBeCloseTo(1, 4));
  expect(Math.hypot(...gradient) / 3.266461163308291).toBeCloseTo(1, 5);
  expect(gradient.reduce((sum, g) => sum + g, 0)).toBeCloseTo(0.7060676160496422, 4);
});

describe('the features of noise levels', () => {
  it('are cosines of ln sigma / 4 whose constants are those of the seed', async () => {
    const setup = await recipeOf({ uncertainty: { lr: 0.01 }, seed: 3 });
    const { frequencies, phases, features } = setup.uncertainty!;
    const timesteps = [0, 7, 19];
    const levels = noiseLevels(setup.noiseSchedule, timesteps);
    const { shape, data } = features(levels);
    expect(shape).toEqual([3, C]);
    levels.forEach(({ alpha, sigma }, i) => {
      for (const j of [0, 1, C - 1]) {
        const phi = Math.SQRT2 * Math.cos((frequencies[j]! * Math.log(sigma / alpha)) / 4 + phases[j]!);
        expect(data[i * C + j]! * Math.sqrt(C)).toBeCloseTo(phi, 5);
      }
    });
    // N(0, 1) and U[0, 1) times 2 pi, of 128 numbers each: within four standard errors.
    const mean = (values: Float32Array) => values.reduce((sum, v) => sum + v, 0) / C / (2 * Math.PI);
    expect(Math.abs(mean(frequencies))).toBeLessThan(4 / Math.sqrt(C));
    expect(Math.abs(mean(phases) - 0.5)).toBeLessThan(4 / Math.sqrt(12 * C));
    expect(phases.every((p) => p >= 0 && p <= Math.fround(2 * Math.PI))).toBe(true);
    const again = (await recipeOf({ uncertainty: { lr: 1 }, seed: 3 })).uncertainty!;
    expect([again.frequencies, again.phases]).toEqual([frequencies, phases]);
    expect((await recipeOf({ uncertainty: { lr: 1 }, seed: 4 })).uncertainty!.frequencies).not.toEqual(frequencies);
  });

  it('do not exist at pure noise, which is refused', async () => {
    const pure = {
      uncertainty: { lr: 0.01 },
      diffusion: { timesteps: 20, prediction: { type: 'v' }, schedule: { type: 'linear', zeroTerminalSnr: true } },
    } as const;
    await expect(recipeOf(pure)).rejects.toThrowWith({
      type: UserError,
      code: 'CONFIG_INVALID',
      contains: ['timestep 19', 'diffusion.schedule.zeroTerminalSnr=false', 'uncertainty=null'],
    });
    expect((await recipeOf({ ...pure, uncertainty: null })).uncertainty).toBeUndefined();
  });
});

/** One step from `state`, step `step` of the run, with the weights of its draw times `factor`. */
async function step(
  engineName: 'tfjs-cpu' | 'onnx',
  setup: TrainingSetup,
  at: number,
  from: Arrays,
  factor?: readonly number[],
) {
  const engine = await openEngine(engineName);
  const draw: TimestepSample = drawTimesteps(setup, at, undefined);
  const weights = draw.weights.map((w, i) => w * (factor?.[i] ?? 1));
  const stepper = await compileStep(setup, engine, from);
  const result = await stepper.run(at, await fetchBatch(setup, at), { ...draw, weights });
  const state = await stepper.state.read();
  await stepper.dispose();
  await engine.dispose();
  return { draw, result, state };
}

const numbers = (array: Arrays[string] | undefined): number[] => Array.from(array!.data as Float32Array);

const tolerance = { rtol: 1e-4, relativeTo: 'norm' } as const;

describe.each(['tfjs-cpu', 'onnx'] as const)('a step on %s', (engine) => {
  // Importance weights that are not 1, weights of the levels that are not either, no clipping.
  const part: PartialConfig = {
    curriculum: { type: 'cltsCorrected' },
    lossWeighting: { type: 'minSnr' },
    normalizeLossWeights: false,
    optimizer: { maxGradNorm: null, momentumDecay: null },
  };
  const learned = { ...part, uncertainty: { lr: 0.1 } } as const;

  it.each([1, 2])('is a plain one whose examples count exp(-u), and moves the head (%i parts)', async (accumulate) => {
    const setup = await recipeOf({ ...learned, gradientAccumulation: accumulate });
    const plain = await recipeOf({ ...part, gradientAccumulation: accumulate });
    const { features } = setup.uncertainty!;
    const weight = Array.from({ length: C }, (_, j) => Math.sin(j));
    const zero = initialState(setup);
    const from = { ...zero, uncertainty: { ...zero['uncertainty']!, data: Float32Array.from(weight) } };
    const { draw, result, state } = await step(engine, setup, 2, from);
    const n = draw.timesteps.length;
    const phi = numbers(features(noiseLevels(setup.noiseSchedule, draw.timesteps)));
    const u = Array.from({ length: n }, (_, i) => weight.reduce((sum, a, j) => sum + a * phi[i * C + j]!, 0));
    expect(Math.max(...u.map(Math.abs))).toBeGreaterThan(0.3);

    const same = await step(
      engine,
      plain,
      2,
      initialState(plain),
      u.map((value) => Math.exp(-value)),
    );
    expect(result.losses).toEqual(same.result.losses);
    expect(result.gradNorm / same.result.gradNorm).toBeCloseTo(1, 4);
    expect(numbers(state['m'])).toBeAllClose(numbers(same.state['m']), tolerance);
    // Logged is the loss without u.
    const unscaled = await step(engine, plain, 2, initialState(plain));
    expect(result.loss / unscaled.result.loss).toBeCloseTo(1, 5);

    // The head's gradient from the losses, and Adam's first step with it: its bias corrections are those of step 3.
    const gradient = Array.from({ length: C }, (_, j) =>
      u.reduce((sum, value, i) => {
        const [importance, w] = [draw.weights[i]!, setup.lossWeights[draw.timesteps[i]!]!];
        return sum + (importance * (1 - w * Math.exp(-value) * result.losses[i]!) * phi[i * C + j]!) / n;
      }, 0),
    );
    expect(numbers(state['uncertainty.m'])).toBeAllClose(
      gradient.map((g) => 0.1 * g),
      tolerance,
    );
    expect(numbers(state['uncertainty.v'])).toBeAllClose(
      gradient.map((g) => 0.01 * g ** 2),
      tolerance,
    );
    const [c1, c2] = [1 - 0.9 ** 3, 1 - 0.99 ** 3];
    const moved = gradient.map((g, j) => weight[j]! - (0.1 * 0.1 * g) / c1 / (Math.sqrt((0.01 * g ** 2) / c2) + 1e-8));
    expect(numbers(state['uncertainty'])).toBeAllClose(moved, tolerance);
  });
});

it('goes to ln of what a level loses', async () => {
  const setup = await recipeOf({ diffusion: { timesteps: 4 }, curriculum: { type: 'uniform' }, batchSize: 16 });
  const learned = await recipeOf({ ...setup.config, uncertainty: { lr: 0.05 }, optimizer: { lr: 1e-9 } });
  const engine = await openEngine('tfjs-cpu');
  const stepper = await compileStep(learned, engine, initialState(learned));
  const sums = Array.from({ length: 4 }, () => [0, 0] as [number, number]);
  for (let at = 0; at < 120; at++) {
    const draw = drawTimesteps(learned, at, undefined);
    const { losses } = await stepper.run(at, await fetchBatch(learned, at), draw);
    draw.timesteps.forEach((t, i) => {
      sums[t]![0] += losses[i]!;
      sums[t]![1]++;
    });
  }
  const weight = numbers((await stepper.state.read(['uncertainty']))['uncertainty']);
  const phi = numbers(learned.uncertainty!.features(noiseLevels(learned.noiseSchedule, [0, 1, 2, 3])));
  await stepper.dispose();
  await engine.dispose();
  sums.forEach(([sum, count], t) => {
    const u = weight.reduce((total, a, j) => total + a * phi[t * C + j]!, 0);
    expect(Math.abs(u - Math.log(sum / count))).toBeLessThan(0.3);
  });
});

it('has a file of its own; models, averages and samples know nothing of it', async () => {
  const tensorsOf = (path: string) => Object.keys(parseSafetensors(readFileSync(path)).tensors);
  const [plain, learned] = [configOf({ out: join(folder, 'plain') }), configOf({ out: join(folder, 'learned') })];
  const { checkpoint: before } = await train(plain);
  const { checkpoint, out } = await train({ ...learned, uncertainty: { lr: 0.01 } });
  expect(readdirSync(checkpoint).filter((name) => !readdirSync(before).includes(name))).toEqual([
    'uncertainty.safetensors',
  ]);
  for (const name of readdirSync(before).filter((file) => file.endsWith('.safetensors'))) {
    expect(tensorsOf(join(checkpoint, name))).toEqual(tensorsOf(join(before, name)));
  }
  const { tensors } = parseSafetensors(readFileSync(join(checkpoint, 'uncertainty.safetensors')));
  expect(Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]))).toEqual({
    uncertainty: [1, C],
    'uncertainty.m': [1, C],
    'uncertainty.v': [1, C],
    'uncertainty.frequencies': [C],
    'uncertainty.phases': [C],
  });
  expect(Math.hypot(...numbers(tensors['uncertainty']))).toBeGreaterThan(0);
  expect((await generateSamples({ run: out, count: 2 })).shape).toEqual([2, 8, 8, 1]);
  await expect(train({ out, uncertainty: null }, { resume: true })).rejects.toThrow('uncertainty: {"lr":0.01} -> null');
});
