// Training in emulated half precision: that it trains, that overflows lower the scale, and what is refused.
import { rmSync } from 'node:fs';
import { openEagerEngine, type Arrays } from '@dm/ops';
import { GradScaler } from '@dm/optim';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { latestCheckpoint } from '../checkpoint/checkpoint-folder.js';
import { initialState } from '../checkpoint/state.js';
import { resolveConfig } from '../config/resolve.js';
import type { PartialConfig } from '../config/schema.js';
import { UserError } from '../errors.js';
import { readMetrics } from '../run/metrics.js';
import { runFolder } from '../run/run-folder.js';
import { openEngine } from '../setup/engine.js';
import { openTrainingSetup } from '../setup/open-training-setup.js';
import { rankConfig, trainedOn } from '../testing/ranks.js';
import { tinyConfig, tinyDit, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { compileStep, type StepResult } from './compiled-step.js';
import { NonFiniteGuard } from './non-finite-guard.js';
import { trainingSteps } from './training-loop.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const setupOf = (part: PartialConfig) =>
  openTrainingSetup(
    resolveConfig([
      {
        source: 'test',
        value: {
          ...tinyConfig(folder, 20),
          engine: 'onnx',
          batchSize: 12,
          model: { type: 'dit', ...tinyDit },
          ...part,
        },
      },
    ]),
  );

/** The first steps of a run: results, the parameters after each, and what was noted. */
async function steps(part: PartialConfig, count: number) {
  const setup = await setupOf(part);
  const engine = await openEngine('onnx', { threads: 1 });
  const compiled = await compileStep(setup, engine, initialState(setup));
  const guard = new NonFiniteGuard(setup.config.maxSkippedSteps);
  const results: StepResult[] = [];
  const states: Arrays[] = [];
  const notes: (string | undefined)[] = [];
  for await (const { result, skipped } of trainingSteps(setup, compiled, { endStep: count, guard })) {
    results.push(result);
    notes.push(skipped);
    states.push(await compiled.state.read(['params', 'm', 'v']));
  }
  const { gradScaler } = compiled;
  await compiled.dispose();
  await engine.dispose();
  return { results, states, notes, guard, gradScaler };
}

describe.each([
  ['a whole batch', {}],
  [
    'parts, and a learned uncertainty',
    { uncertainty: { lr: 0.01 }, gradientAccumulation: 2, activationCheckpointing: true },
  ],
] as const satisfies readonly (readonly [string, PartialConfig])[])('with %s', (_, part) => {
  it('losses and gradient norms are nearly those of f32', async () => {
    const exact = await steps(part, 3);
    for (const [precision, tolerance] of [
      ['f16-emulated', 2e-3],
      ['bf16-emulated', 2e-2],
    ] as const) {
      const half = await steps({ ...part, precision }, 3);
      exact.results.forEach(({ loss, gradNorm }, step) => {
        const other = half.results[step]!;
        expect(other.isFinite).toBe(true);
        expect(Math.abs(other.loss / loss - 1)).toBeLessThan(tolerance);
        expect(Math.abs(other.gradNorm / gradNorm - 1)).toBeLessThan(5 * tolerance);
      });
      // The output of a DiT is zero before the first step.
      expect(half.results.at(-1)!.loss).not.toBe(exact.results.at(-1)!.loss);
    }
  });

  it('an overflow leaves the state to the bit, lowers the scale, and is not a bad step', async () => {
    const gradScaler = { initialScale: 2 ** 24, growthInterval: 2 };
    const { results, states, notes, guard } = await steps(
      { ...part, gradScaler, maxSkippedSteps: 1, precision: 'f16-emulated' },
      12,
    );
    const finite = results.map(({ isFinite }) => isFinite);
    const first = finite.indexOf(true);
    expect(first).toBeGreaterThan(1);
    const scaler = new GradScaler(gradScaler);
    const wanted = finite.map((isFinite) => (scaler.update(isFinite), scaler.scale));
    expect(results.map(({ gradScale }) => gradScale!.next)).toEqual(wanted);
    for (const [i, state] of states.slice(1, first).entries()) expect(state).toEqual(states[i]);
    expect(states[first]!['params']).not.toEqual(states[0]!['params']);
    expect(results.every(({ loss }) => Number.isFinite(loss))).toBe(true);
    expect(notes[0]).toMatch(/overflowed at step 1 .* 16777216: .* 8388608/);
    expect(notes.map((note) => note === undefined)).toEqual(finite);
    expect(guard.state()).toEqual([0, 0]);
  });
});

it('a power of two as scale changes no bit, unless numbers are too small for float16', async () => {
  const at = (initialScale: number) => steps({ precision: 'bf16-emulated', gradScaler: { initialScale } }, 2);
  const [one, other] = [await at(1), await at(2 ** 16)];
  expect(one.gradScaler).toBeUndefined();
  expect(other.states).toEqual(one.states);
  const unscaled = await steps({ precision: 'f16-emulated', gradScaler: null }, 2);
  expect(unscaled.gradScaler).toBeUndefined();
  const [small, large] = [
    await steps({ precision: 'f16-emulated', gradScaler: { initialScale: 1 } }, 2),
    await steps({ precision: 'f16-emulated' }, 2),
  ];
  expect(small.states).toEqual(unscaled.states);
  expect(large.states).not.toEqual(unscaled.states);
});

it('an overflow at scale 1 is a bad step, and so is a loss that is not finite', () => {
  const guard = new NonFiniteGuard(2);
  const result = { loss: 1, losses: new Float32Array(1), gradNorm: Infinity, isFinite: false };
  expect(guard.add(1, { ...result, gradScale: { used: 2, next: 1 } }, undefined)).toContain('scale is now 1');
  expect(guard.state()).toEqual([0, 0]);
  expect(guard.add(2, { ...result, gradScale: { used: 1, next: 1 } }, undefined)).toContain('skipped (1 in a row');
  const notFinite = { ...result, loss: NaN, gradNorm: NaN, gradScale: { used: 2, next: 1 } };
  expect(() => guard.add(3, notFinite, undefined)).toThrowWith({ type: UserError, code: 'LOSS_NOT_FINITE' });
});

it('two ranks lower the scale together, and the checkpoint has it', async () => {
  const part = { engine: 'onnx', precision: 'f16-emulated', gradScaler: { initialScale: 2 ** 60 } } as const;
  const config = rankConfig(folder, 'ranks', part);
  const results = await trainedOn(2, config);
  expect(results.map(({ status }) => status)).toEqual(['finished', 'finished']);
  const { checkpoint } = latestCheckpoint(runFolder(config.out!).checkpoints);
  expect(checkpoint!.manifest.log['gradScaler']).toEqual([2 ** 56, 0]);
});

it('the log has the scale', async () => {
  const out = `${folder}/logged`;
  await train({ ...tinyConfig(folder, 3), engine: 'onnx', precision: 'f16-emulated', logEvery: 1, out });
  expect(readMetrics(runFolder(out).metrics).map(({ gradScale }) => gradScale)).toEqual([65536, 65536, 65536]);
});

describe('is refused, with the remedy', () => {
  it.each([
    [
      { engine: 'tfjs-cpu', precision: 'f16-emulated' },
      ['precision is f16-emulated', 'tfjs-cpu', 'engine=onnx', 'precision=f32'],
    ],
    [{ precision: 'f16' }, ['precision is f16', 'cpu', 'webgpu or cuda', 'precision=f16-emulated']],
    [{ precision: 'bf16' }, ['bf16', 'cpu', 'bf16-emulated']],
  ] as const satisfies readonly (readonly [PartialConfig, readonly string[]])[])('%j', async (part, contains) => {
    const config = { ...tinyConfig(folder, 2), engine: 'onnx' as const, ...part, out: `${folder}/refused` };
    await expect(train(config)).rejects.toThrowWith({ type: UserError, code: 'ENGINE_UNSUITABLE', contains });
  });

  it('bfloat16 on WebGPU', async () => {
    const setup = await setupOf({ precision: 'bf16' });
    const engine = await openEagerEngine('tfjs-cpu');
    const onWebGpu = { ...engine, name: 'onnx', info: { device: 'webgpu' } } as typeof engine;
    await expect(compileStep(setup, onWebGpu, initialState(setup))).rejects.toThrowWith({
      type: UserError,
      code: 'ENGINE_UNSUITABLE',
      contains: ['bf16', 'webgpu', 'precision=f16'],
    });
    await engine.dispose();
  });
});
