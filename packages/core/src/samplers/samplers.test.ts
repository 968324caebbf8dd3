/** What every sampler must do, whatever it is. Trajectories are compared in trajectories.test.ts. */
import * as tf from '@tensorflow/tfjs-core';
import { openEagerEngine, type Engine, float32 } from '@dm/ops';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { edmPath } from '../levels/edm.js';
import { flowPath } from '../levels/flow.js';
import { levelAt, type NoisePath } from '../levels/level.js';
import { discretePath } from '../levels/path.js';
import { inputScale, type Prediction, predictions, targetCoefficients } from '../process/prediction.js';
import { cosineSchedule } from '../schedules/cosine.js';
import { linearSchedule } from '../schedules/linear.js';
import { rescaleZeroTerminalSnr } from '../schedules/zero-terminal-snr.js';
import { createSampler, type Predict, sampleImages, type SamplerOptions } from './create-sampler.js';
import { ddim } from './ddim.js';
import { ddpm } from './ddpm.js';
import { euler } from './euler.js';
import { heun } from './heun.js';
import { type SamplerConfig, samplerFromConfig, samplers } from './registry.js';
import type { Sampler } from './sampler.js';
import { stageInputs } from './step.js';

let engine: Engine;
beforeAll(async () => {
  engine = await openEagerEngine('tfjs-cpu');
});
afterAll(() => engine.dispose());

const shape = [2, 2, 1];
const names = Object.keys(samplers) as SamplerConfig['name'][];
const paths: [string, NoisePath][] = [
  ['linear, leading', discretePath(linearSchedule(), { steps: 6 })],
  ['cosine, every timestep', discretePath(cosineSchedule({ numTimesteps: 8 }), { steps: 8 })],
  ['one step', discretePath(linearSchedule(), { steps: 1, spacing: 'trailing' })],
  ['zero terminal SNR', discretePath(rescaleZeroTerminalSnr(linearSchedule()), { steps: 6, spacing: 'trailing' })],
  ['Karras', discretePath(linearSchedule(), { steps: 6, karras: {} })],
  ["EDM's range of Karras", discretePath(linearSchedule(), { steps: 6, karras: { sigmaMin: 0.002, sigmaMax: 80 } })],
  ['flow times of a discrete schedule', discretePath(linearSchedule(), { steps: 6, flow: { shift: 0.8 } })],
  ['exponential', discretePath(linearSchedule(), { steps: 6, exponential: {} })],
  ['beta', discretePath(linearSchedule(), { steps: 6, beta: {} })],
  ['linspace of Euler', discretePath(linearSchedule(), { steps: 6, spacing: 'linspace-euler' })],
  ['EDM', edmPath({ steps: 8 })],
  ['flow', flowPath({ steps: 6 })],
];

/** A network that knows: all images are `image`, so at (x, level) it says what is exactly true. */
const image = 0.6;
function knows(path: NoisePath, prediction: Prediction, sampler: Sampler): Predict {
  // It tells the level by t. F = a x_0 + b epsilon with epsilon = (x - alpha x_0) / sigma.
  const visited = sampler.plan(path, prediction).stages.map(({ level }) => level);
  const levels = visited.filter((a, i) => visited.findIndex((b) => Math.abs(a.t - b.t) < 1e-4) === i);
  const known = levels.map((level) => {
    const { x0, noise } = targetCoefficients(prediction, level);
    return {
      t: level.t,
      ofX: noise / level.sigma / inputScale(prediction, level),
      constant: (x0 - (noise * level.alpha) / level.sigma) * image,
    };
  });
  return (_, x, t) => {
    const pick = (of: (entry: (typeof known)[number]) => number): tf.Tensor => {
      const parts = known.map((entry) =>
        tf.mul(tf.cast(tf.less(tf.abs(tf.sub(t, entry.t)), 1e-4), 'float32'), of(entry)),
      );
      return tf.reshape(tf.addN(parts), [-1, 1, 1, 1]);
    };
    return tf.add(
      tf.mul(
        x,
        pick((e) => e.ofX),
      ),
      pick((e) => e.constant),
    );
  };
}

const startsAtNoise = (path: NoisePath): boolean => path.levels[0]!.alpha === 0;

function imagesOf(path: NoisePath, name: SamplerConfig['name'], prediction: Prediction) {
  const config: SamplerConfig = name === 'heun' && startsAtNoise(path) ? { name, variable: 'flow' } : { name };
  return imagesFrom(path, config, prediction);
}

function imagesFrom(path: NoisePath, config: SamplerConfig, prediction: Prediction) {
  const sampler = samplerFromConfig(config);
  return sampleImages({
    engine,
    predict: knows(path, prediction, sampler),
    prediction,
    path,
    shape,
    state: {},
    seed: 5,
    n: 3,
    sampler,
  });
}

describe.each(paths)('a network that knows the image finds it: %s', (_, path) => {
  const usable = predictions.filter((prediction) => prediction !== 'epsilon' || !startsAtNoise(path));
  test.each(names.flatMap((name) => usable.map((prediction) => [name, prediction] as const)))(
    '%s, %s',
    async (name, prediction) => {
      const { data } = await imagesOf(path, name, prediction);
      expect(data).toBeAllClose(
        Array.from(data, () => image),
        { atol: 2e-3 },
      );
    },
  );
});

describe.each(paths.filter(([, path]) => startsAtNoise(path)))('at SNR 0 epsilon is refused: %s', (_, path) => {
  test.each(names)('%s', async (name) => {
    await expect(async () => imagesOf(path, name, 'epsilon')).rejects.toThrowWith({
      type: RangeError,
      contains: ['epsilon', 'to x0', 'SNR 0'],
    });
  });
});

describe('a last step', () => {
  const path = discretePath(linearSchedule(), { steps: 5 });
  test.each<[string, Sampler]>([
    ['ddpm', ddpm()],
    ['ddpm, large variance', ddpm({ variance: 'fixedLarge' })],
    ['ddim, eta 1', ddim({ eta: 1 })],
    // The last step of lms uses earlier evaluations too, as in k-diffusion.
    ...names.filter((name) => name !== 'lms').map((name) => [name, samplerFromConfig({ name })] as [string, Sampler]),
    ['lms, order 1', samplerFromConfig({ name: 'lms', order: 1 })],
    ['unipc, bh1', samplerFromConfig({ name: 'unipc', solverType: 'bh1' })],
    ['unipc, without a corrector', samplerFromConfig({ name: 'unipc', disableCorrector: [0, 1, 2, 3] })],
  ])('returns x_0, clipped and without noise: %s', (_, sampler) => {
    const { next } = sampler.plan(path, 'epsilon').stages.at(-1)!;
    const nonzero = Object.entries(next).filter(([, value]) => value !== 0);
    expect(nonzero).toEqual([['x0', 1]]);
  });

  test('to the first timestep keeps its noise', () => {
    const first = discretePath(linearSchedule(), { steps: 5, stepsOffset: 1, final: 'first' });
    const { next } = ddpm().plan(first, 'epsilon').stages.at(-1)!;
    expect(next['noise']).toBeGreaterThan(0);
  });
});

describe.each([2, 5, 20])('a last step of no length, of %i steps', (steps) => {
  const [linear, cosine] = [linearSchedule(), cosineSchedule()];
  const ends = { steps, final: 'first' } as const;
  const paths: [string, NoisePath][] = [
    ['leading', discretePath(linear, ends)],
    ['Karras', discretePath(linear, { ...ends, karras: {} })],
    ['exponential', discretePath(linear, { ...ends, exponential: {} })],
    ['beta', discretePath(cosine, { ...ends, beta: {} })],
  ];
  const samplers: [string, SamplerConfig][] = [
    ...names.filter((name) => name !== 'unipc').map((name) => [name, { name }] as [string, SamplerConfig]),
    ['dpmpp-2m, heun', { name: 'dpmpp-2m', solverType: 'heun', lowerOrderFinal: 'never' }],
    ['dpmpp-3m, never lower', { name: 'dpmpp-3m', lowerOrderFinal: 'never' }],
    ['ddim, eta 1', { name: 'ddim', eta: 1 }],
    ['ddpm, large variance', { name: 'ddpm', variance: 'fixedLarge' }],
  ];
  test.each(samplers.flatMap((sampler) => paths.map((path) => [...sampler, ...path] as const)))(
    'is finite, and with one evaluation per step changes nothing: %s, %j, %s',
    (name, config, _, path) => {
      const plan = samplerFromConfig(config).plan(path, 'epsilon');
      for (const stage of plan.stages) stageInputs(plan, stage, 'epsilon');
      if (plan.stages.length > plan.steps) return; // several evaluations: only finite
      const { next } = plan.stages.at(-1)!;
      // In terms of x and of the epsilon that x and x_0 imply.
      const { alpha, sigma } = path.levels.at(-1)!;
      const ofX0 = (next['x0'] ?? 0) / alpha;
      expect((next['x'] ?? 0) + ofX0).toBeCloseTo(1, 6);
      expect((next['output'] ?? 0) - sigma * ofX0).toBeCloseTo(0, 6);
      expect(next['noise'] ?? 0).toBeLessThan(1e-5);
      expect(next['previous'] ?? 0).toBeCloseTo(0, 6);
    },
  );
});

describe('from SNR 0', () => {
  const zero = discretePath(rescaleZeroTerminalSnr(linearSchedule()), { steps: 5, spacing: 'trailing' });
  test.each<[SamplerConfig, NoisePath]>([
    [{ name: 'euler', churn: { amount: 10 } }, zero],
    [{ name: 'euler', churn: { amount: 10 } }, flowPath({ steps: 5 })],
    [{ name: 'dpm-2', churn: { amount: 10 } }, zero],
    [{ name: 'unipc', solverType: 'bh1', order: 3 }, zero],
  ])('%j finds the image', async (config, path) => {
    const { data } = await imagesFrom(path, config, 'v');
    expect(data).toBeAllClose(
      Array.from(data, () => image),
      { atol: 2e-3 },
    );
  });

  test('churn starts with the second step', () => {
    const { stages } = samplerFromConfig({ name: 'euler', churn: { amount: 10 } }).plan(zero, 'v');
    expect(stages.map(({ churn }) => churn !== undefined)).toEqual([false, true, true, true, true]);
  });
});

test('a step towards more noise keeps its direction in Euler and DDIM', () => {
  const { alpha: a, sigma: s } = levelAt(linearSchedule(), 250);
  const to = levelAt(linearSchedule(), 500);
  const up: NoisePath = { levels: [levelAt(linearSchedule(), 250), to], initialScale: 1 };
  const ratio = (a * to.sigma) / (to.alpha * s);
  for (const sampler of [euler(), ddim({ useClippedOutput: true })]) {
    const { next } = sampler.plan(up, 'x0').stages[0]!;
    expect(next['x']).toBeCloseTo(to.sigma / s, 12);
    expect((next['x0'] ?? 0) + (next['output'] ?? 0)).toBeCloseTo(to.alpha * (1 - ratio), 12);
  }
});

describe('DDIM', () => {
  test('with eta 0 is Euler, with eta 1 is DDPM: the same plan in x, x_0 and noise', () => {
    const path = discretePath(linearSchedule(), { steps: 7 });
    const compare = (a: Sampler, b: SamplerConfig): void => {
      const other = samplerFromConfig(b).plan(path, 'x0').stages;
      a.plan(path, 'x0').stages.forEach(({ next }, k) => {
        for (const term of ['x', 'noise', 'x0']) {
          // With the prediction x0 the output is x_0.
          const of = (form: Readonly<Record<string, number>>): number =>
            (form[term] ?? 0) + (term === 'x0' ? (form['output'] ?? 0) : 0);
          expect(of(next)).toBeCloseTo(of(other[k]!.next), 12);
        }
      });
    };
    compare(ddim(), { name: 'euler' });
    compare(ddim({ eta: 1 }), { name: 'ddpm' });
  });
});

describe('guidance', () => {
  // The network says that x_0 is its condition, so that the image is what guidance makes of the two.
  const path = discretePath(linearSchedule(), { steps: 3 });
  const evaluations: number[] = [];
  const options: Omit<SamplerOptions, 'engine'> = {
    predict: (_, x, __, { cond }) => {
      evaluations.push(x.shape[0]);
      return tf.add(tf.mul(x, 0), tf.reshape(cond!, [-1, 1, 1, 1]));
    },
    prediction: 'x0',
    sampler: ddim(),
    path,
    shape,
  };
  const request = {
    state: {},
    seed: 1,
    n: 2,
    inputs: { cond: float32([0.5, -0.25]) },
    unconditional: { cond: float32([0.1, 0.2]) },
  };
  const run = (guidance: SamplerOptions['guidance']) =>
    sampleImages({ ...options, engine, ...(guidance ? { guidance } : {}), ...request });

  test('unconditional + scale (conditional - unconditional)', async () => {
    const images = await run({ scale: 3 });
    expect([images.data[0], images.data[4]]).toEqual([
      expect.closeTo(0.1 + 3 * 0.4, 5),
      expect.closeTo(0.2 - 3 * 0.45, 5),
    ]);
  });

  test.each([
    [1, [0.5, -0.25]],
    [0, [0.1, 0.2]],
  ])('scale %f is one of the two models', async (scale, expected) => {
    const images = await run({ scale });
    expect([images.data[0], images.data[4]]).toEqual(expected.map((v) => expect.closeTo(v, 5)));
  });

  test('outside its interval the unconditional model is not evaluated', async () => {
    const { levels } = path;
    const middle = levels[1]!.sigma / levels[1]!.alpha;
    evaluations.length = 0;
    await run({ scale: 3, interval: [middle * 0.99, middle * 1.01] });
    expect(evaluations).toEqual([2, 4, 2]);
  });

  test('refuses', async () => {
    await expect(run({ scale: -1 })).rejects.toThrowWith({ type: RangeError, contains: ['scale', '>= 0', 'got -1'] });
    expect(() => createSampler({ ...options, engine, guidance: { scale: 2, interval: [3, 1] } })).toThrowWith({
      type: RangeError,
      contains: ['interval', '[3, 1]'],
    });
    const guided = createSampler({ ...options, engine, guidance: { scale: 2 } });
    await expect(guided.sample({ state: {}, seed: 1, n: 1, inputs: { cond: float32([1]) } })).rejects.toThrowWith({
      type: RangeError,
      contains: '`unconditional`',
    });
    await expect(
      guided.sample({
        state: {},
        seed: 1,
        n: 1,
        inputs: { cond: float32([1]) },
        unconditional: { label: float32([1]) },
      }),
    ).rejects.toThrowWith({ type: RangeError, contains: 'unconditional "label"' });
  });
});

describe('bad input', () => {
  const path = discretePath(linearSchedule(), { steps: 3 });
  const options = { prediction: 'epsilon' as const, path, shape, predict: (_: unknown, x: tf.Tensor) => x };

  test('an unknown sampler lists the known ones', () => {
    expect(() => samplerFromConfig({ name: 'plms' } as never)).toThrowWith({
      type: RangeError,
      contains: ['"plms"', Object.keys(samplers).join(', ')],
    });
  });

  test.each<[object, string[]]>([
    [{ name: 'ddim', et: 1 }, ['"ddim"', '"et"', 'eta, useClippedOutput']],
    [{ name: 'euler', eta: 1 }, ['"euler"', '"eta"', 'churn']],
    [{ name: 'euler', churn: { amount: -1 } }, ['euler: churn.amount', '>= 0', 'got -1']],
    [{ name: 'dpm-2', churn: { amount: 1, sMin: 0 } }, ['dpm-2: churn', '"sMin"']],
    [{ name: 'euler-ancestral', eta: 2 }, ['euler-ancestral: eta', '[0, 1]', 'got 2']],
    [{ name: 'dpmpp-2s-ancestral', noiseStd: -1 }, ['dpmpp-2s-ancestral: noiseStd', '>= 0', 'got -1']],
    [{ name: 'dpm-2-ancestral', eta: -1 }, ['dpm-2-ancestral: eta', 'got -1']],
    [{ name: 'dpmpp-3m-sde', eta: -1 }, ['dpmpp-3m-sde: eta', 'got -1']],
    [{ name: 'dpmpp-3m', solverType: 'bh1' }, ['solverType', 'midpoint, heun', '"bh1"']],
    [{ name: 'dpmpp-2m', eulerAtFinal: 'yes' }, ['eulerAtFinal', '"yes"']],
    [{ name: 'lms', order: 5 }, ['lms: order', '1 to 4', 'got 5']],
    [{ name: 'unipc', solverType: 'heun' }, ['solverType', 'bh1, bh2', '"heun"']],
    [{ name: 'unipc', disableCorrector: [-1] }, ['disableCorrector[0]', 'got -1']],
    [{ name: 'ddim', eta: 2 }, ['eta', '[0, 1]', 'got 2']],
    [{ name: 'ddpm', variance: 'big' }, ['variance', 'fixedSmall, fixedLarge, learnedRange', '"big"']],
    [{ name: 'unipc', order: 4 }, ['order', '1 to 3', 'got 4']],
    [{ name: 'heun', variable: 't' }, ['variable', 'ratio, flow', '"t"']],
    [{ name: 'heun', churn: { amount: -1 } }, ['churn.amount', '>= 0', 'got -1']],
    [{ name: 'heun', churn: { amount: 1, sMin: 0 } }, ['churn', '"sMin"', 'amount, min, max, std']],
    [{ name: 'heun', churn: { amount: 1, min: 2, max: 1 } }, ['churn.max', 'churn.min, 2', 'got 1']],
    [{ name: 'heun', variable: 'flow', churn: { amount: 1 } }, ['churn', '"ratio"']],
    [{ name: 'dpmpp-2m', lowerOrderFinal: 'yes' }, ['lowerOrderFinal', 'auto, never', '"yes"']],
  ])('%j', (config, contains) => {
    expect(() => samplerFromConfig(config as SamplerConfig)).toThrowWith({ type: RangeError, contains });
  });

  const independent = ['ddpm', 'ddim', 'euler', 'euler-ancestral'];
  test.each(names.filter((name) => !independent.includes(name)))('%s refuses steps that end elsewhere', (name) => {
    const stride = discretePath(linearSchedule(), { steps: 3, stepEnd: 'stride' });
    expect(() => samplerFromConfig({ name }).plan(stride, 'epsilon')).toThrowWith({
      type: RangeError,
      contains: ['"stride"'],
    });
  });

  test('unipc refuses a last step of no length, which its order conditions divide by', () => {
    const first = discretePath(linearSchedule(), { steps: 3, final: 'first' });
    expect(() => samplerFromConfig({ name: 'unipc' }).plan(first, 'epsilon')).toThrowWith({
      type: RangeError,
      contains: ['step 2', 'clean'],
    });
    const almost = discretePath(linearSchedule(), { steps: 3, final: 'first', karras: {} });
    expect(() => samplerFromConfig({ name: 'unipc' }).plan(almost, 'epsilon')).toThrowWith({
      type: RangeError,
      contains: ['step 2', 'clean'],
    });
    const learned = ddpm({ variance: 'learnedRange' }).plan(first, 'epsilon').stages.at(-1)!;
    expect(Object.values(learned.logVariance!).every(Number.isFinite)).toBe(true);
  });

  test.each<[object, string[]]>([
    [{ clip: 0 }, ['clip', '> 0', 'got 0']],
    [{ clip: 1, threshold: {} }, ['clip or threshold']],
    [{ threshold: { quantile: 1 } }, ['threshold.quantile', '(0, 1)', 'got 1']],
    [{ threshold: { max: 0.5 } }, ['threshold.max', '>= 1', 'got 0.5']],
    [{ shape: [2, 0, 1] }, ['shape[1]', '>= 1', 'got 0']],
  ])('limits and shape %j', (wrong, contains) => {
    const create = () => createSampler({ ...options, engine, sampler: ddim(), ...wrong });
    expect(create).toThrowWith({ type: RangeError, contains });
  });

  test('Heun over sigma / alpha cannot begin at pure noise', () => {
    expect(() =>
      createSampler({ ...options, prediction: 'v', engine, path: flowPath({ steps: 2 }), sampler: heun() }),
    ).toThrowWith({ type: RangeError, contains: ['heun', 'SNR 0', '"flow"'] });
  });

  test('a model of the wrong width', async () => {
    const request = { state: {}, seed: 0, n: 1 };
    const learned = sampleImages({ ...options, ...request, engine, sampler: ddpm({ variance: 'learnedRange' }) });
    await expect(learned).rejects.toThrowWith({ type: RangeError, contains: ['2 output channels', 'got 1'] });
    const wide = sampleImages({
      ...options,
      ...request,
      engine,
      sampler: ddim(),
      predict: (_, x) => tf.concat([x, x, x], -1),
    });
    await expect(wide).rejects.toThrowWith({ type: RangeError, contains: ['1 output channels', '2', 'got 3'] });
  });

  test('a learned variance is ignored if the sampler needs none', async () => {
    const request = { ...options, state: {}, seed: 0, n: 1, engine, sampler: ddim() };
    const both = await sampleImages({ ...request, predict: (_, x) => tf.concat([x, tf.mul(x, 9)], -1) });
    expect(both).toEqual(await sampleImages(request));
  });
});
