/**
 * Training on the device `webgpu`: a software GPU on machines without a card. Skipped if there is none, unless
 * DM_WEBGPU=required (`nx run trainer:webgpu-smoke`).
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ProgramRun } from '@dm/jit';
import { skipLoudly } from '@dm/jit/testing';
import type { Arrays } from '@dm/ops';
import { afterEach, beforeAll, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { profileStep } from './bench/profile.js';
import { latestCheckpoint } from './checkpoint/checkpoint-folder.js';
import { initialState } from './checkpoint/state.js';
import { resolveConfig } from './config/resolve.js';
import { defaultPreset } from './config/presets.js';
import type { PartialConfig } from './config/schema.js';
import { runFolder } from './run/run-folder.js';
import { checkEngine } from './setup/check-engine.js';
import { openEngine } from './setup/engine.js';
import { openTrainingSetup } from './setup/open-training-setup.js';
import { compileStep } from './step/compiled-step.js';
import { trainingSteps } from './step/training-loop.js';
import { tinyConfig, tinyDit, tinyFolder } from './testing/tiny.js';
import { train } from './train.js';

let reason: string | undefined;
beforeAll(async () => {
  const report = await checkEngine('onnx', 'webgpu');
  if (!report.works) reason = report.reason;
  if (reason !== undefined && process.env['DM_WEBGPU'] === 'required') throw new Error(reason);
});

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Measured {
  readonly losses: readonly number[];
  readonly gradNorms: readonly number[];
  /** First moments after the first step. */
  readonly moments: Arrays;
  /** Bytes copied to and from the device in the last step. */
  readonly copiedBytes: number;
  readonly stateBytes: number;
}

async function steps(config: PartialConfig, device: 'cpu' | 'webgpu', count: number): Promise<Measured> {
  const setup = await openTrainingSetup(
    resolveConfig([{ source: 'test', value: { ...config, engine: 'onnx', device, threads: 1 } }]),
    { skipMemoryCheck: true },
  );
  const runs: ProgramRun[] = [];
  const engine = await openEngine('onnx', { device, threads: 1, observer: { ran: (run) => void runs.push(run) } });
  try {
    const compiled = await compileStep(setup, engine, initialState(setup));
    const losses: number[] = [];
    const gradNorms: number[] = [];
    let moments: Arrays = {};
    for await (const { result } of trainingSteps(setup, compiled, { endStep: count, prefetch: false })) {
      losses.push(result.loss);
      gradNorms.push(result.gradNorm);
      if (losses.length === 1) moments = await compiled.state.read(['m']);
    }
    const state = await compiled.state.read();
    await compiled.dispose();
    const stateBytes = Object.values(state).reduce((bytes, { data }) => bytes + data.byteLength, 0);
    return { losses, gradNorms, moments, copiedBytes: runs.at(-1)!.copiedBytes, stateBytes };
  } finally {
    await engine.dispose();
  }
}

/** Compares losses and first moments, never parameters: a first step of Adam is lr sign(g), also of tiny gradients. */
async function expectSameSteps(config: PartialConfig, count: number, { skip }: TestContext): Promise<void> {
  if (reason !== undefined) return skipLoudly(skip, reason);
  const [cpu, gpu] = [await steps(config, 'cpu', count), await steps(config, 'webgpu', count)];
  expect(gpu.losses[0]! / cpu.losses[0]!).toBeCloseTo(1, 4);
  expect(gpu.losses.at(-1)! / cpu.losses.at(-1)!).toBeCloseTo(1, 3);
  expect(gpu.gradNorms[0]! / cpu.gradNorms[0]!).toBeCloseTo(1, 3);
  expect(gpu.moments).toBeAllClose(cpu.moments, { rtol: 1e-4, relativeTo: 'largest' });
  expect(cpu.copiedBytes).toBe(0);
  expect(gpu.copiedBytes).toBeGreaterThan(0);
  expect(gpu.copiedBytes).toBeLessThan(gpu.stateBytes / 2);
}

describe('the first steps on the device, with losses and moments of the CPU', () => {
  it('of a UNet', (context) => expectSameSteps(tinyConfig(folder, 3), 3, context));
  it('of a UNet that recomputes activations', (context) =>
    expectSameSteps({ ...tinyConfig(folder, 1), activationCheckpointing: true }, 1, context));
  it('of a DiT', (context) =>
    expectSameSteps({ ...tinyConfig(folder, 3), model: { type: 'dit', ...tinyDit, depth: 2 } }, 3, context));
  it('of a U-ViT', (context) =>
    expectSameSteps(
      { ...tinyConfig(folder, 3), model: { type: 'uvit', patch_size: 4, embed_dim: 16, depth: 2, num_heads: 2 } },
      3,
      context,
    ));
});

it('the first step of the default preset, for which 12.7 kB cross the bus instead of 20.4 MB', async ({ skip }) => {
  if (reason !== undefined) return skipLoudly(skip, reason);
  const config: PartialConfig = { preset: defaultPreset, batchSize: 2, totalSteps: 1, out: join(folder, 'run') };
  const [cpu, gpu] = [await steps(config, 'cpu', 1), await steps(config, 'webgpu', 1)];
  expect(gpu.losses[0]! / cpu.losses[0]!).toBeCloseTo(1, 5);
  expect(gpu.gradNorms[0]! / cpu.gradNorms[0]!).toBeCloseTo(1, 4);
  expect(gpu.moments).toBeAllClose(cpu.moments, { rtol: 1e-4, relativeTo: 'largest' });
  // Before, the state crossed the bus in both directions.
  expect(2 * gpu.stateBytes + gpu.copiedBytes).toBeCloseTo(20.4e6, -5);
  expect(gpu.copiedBytes).toBeLessThan(13_000);
});

it('profiles a step: the bytes that it copies, and no fraction of the rate of matrix products', async ({ skip }) => {
  if (reason !== undefined) return skipLoudly(skip, reason);
  const value: PartialConfig = { ...tinyConfig(folder, 1), engine: 'onnx', device: 'webgpu', threads: 1 };
  const { bestGflops, copiedBytes, total } = await profileStep(resolveConfig([{ source: 'test', value }]), 1);
  expect({ bestGflops, copiedBytes, reached: total.reached }).toEqual({
    bestGflops: null,
    copiedBytes: 2221,
    reached: null,
  });
});

it('trains, samples, saves, is stopped and resumes, with the bits of an uninterrupted run', async ({ skip }) => {
  if (reason !== undefined) return skipLoudly(skip, reason);
  const configOf = (out: string): PartialConfig => ({
    ...tinyConfig(folder, 5),
    engine: 'onnx',
    device: 'webgpu',
    threads: 1,
    sampleEvery: 5,
    out: join(folder, out),
  });
  await train(configOf('whole'));
  const stop = new AbortController();
  await train(configOf('parts'), {
    signal: stop.signal,
    hooks: { onStep: (step) => void (step === 3 && stop.abort()) },
  });
  await train({ out: join(folder, 'parts') }, { resume: true });
  const files = (out: string): Record<string, Buffer> => {
    const path = latestCheckpoint(runFolder(join(folder, out)).checkpoints).checkpoint!.path;
    const names = readdirSync(path).filter((name) => name.endsWith('.safetensors'));
    return Object.fromEntries(names.map((name) => [name, readFileSync(join(path, name))]));
  };
  expect(Object.keys(files('whole'))).toContain('model.safetensors');
  for (const [name, bytes] of Object.entries(files('whole')))
    expect(files('parts')[name]!.equals(bytes), name).toBe(true);
});
