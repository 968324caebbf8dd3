import { describe, expect, it } from 'vitest';
import type { TimestepSchedule } from '@dm/curriculum';
import type { Batch } from './batch.js';
import type { CompiledStep } from './compiled-step.js';
import { trainingSteps } from './training-loop.js';
import { resolveConfig } from '../config/resolve.js';
import { createTrainingSetup, type BatchSource } from '../setup/training-setup.js';
import { tinyUnet } from '../testing/tiny.js';

/** Counts updates in its state. */
const countingCurriculum = (base: TimestepSchedule): TimestepSchedule => ({
  name: base.name,
  numTimesteps: base.numTimesteps,
  sample: (step, u) => base.sample(step, u),
  density: (step) => base.density(step),
  initialState: () => ({ updates: Int32Array.of(0) }),
  update: (state) => ({ updates: Int32Array.of(state['updates']![0]! + 1) }),
});

/** A setup on made-up images, and a step that computes nothing: its loss is NaN at `spoiled` steps. */
function setUp(spoiled: readonly number[] = []) {
  const events: string[] = [];
  const source: BatchSource = {
    name: 'made up',
    shape: [8, 8, 1],
    classes: [],
    async read({ step, batchSize }) {
      events.push(`read ${step}`);
      return { images: new Float32Array(batchSize * 64).fill(step) };
    },
  };
  const value = {
    model: { type: 'unet' as const, ...tinyUnet },
    diffusion: { timesteps: 20 },
    batchSize: 2,
    totalSteps: 4,
    maxSkippedSteps: 2,
  };
  const created = createTrainingSetup(resolveConfig([{ source: 'test', value }]), source);
  const setup = { ...created, curriculum: countingCurriculum(created.curriculum) };
  const batches: Batch[] = [];
  const compiledStep = {
    async run(step: number, batch: Batch) {
      events.push(`run ${step}`);
      batches.push(batch);
      const isFinite = !spoiled.includes(step);
      return { loss: isFinite ? step : NaN, losses: Float32Array.of(1, 1), gradNorm: 1, isFinite };
    },
  } as unknown as CompiledStep;
  return { setup, compiledStep, events, batches };
}

describe('trainingSteps', () => {
  it('reads the next batch while a step is computed, and no batch after the last', async () => {
    const { setup, compiledStep, events } = setUp();
    const steps: number[] = [];
    for await (const { step } of trainingSteps(setup, compiledStep)) steps.push(step);
    expect(steps).toEqual([1, 2, 3, 4]);
    expect(events).toEqual(['read 0', 'run 0', 'read 1', 'run 1', 'read 2', 'run 2', 'read 3', 'run 3']);
  });

  it('begins and ends where it is asked to, with batches that were transformed', async () => {
    const { setup, compiledStep, events, batches } = setUp();
    const curriculumState = { updates: Int32Array.of(7) };
    const options = { firstStep: 2, endStep: 3, prefetch: false, curriculumState };
    const transformBatch = (batch: Batch): Batch => ({ ...batch, noise: batch.images });
    const outcomes = [];
    for await (const one of trainingSteps(setup, compiledStep, { ...options, transformBatch })) outcomes.push(one);
    expect(events).toEqual(['read 2', 'run 2']);
    expect(batches[0]!.noise).toBe(batches[0]!.images);
    expect(outcomes.map(({ step }) => step)).toEqual([3]);
    expect(outcomes[0]!.curriculumState).toEqual({ updates: Int32Array.of(8) });
  });

  it('skips an update that is not finite, the one of the curriculum too', async () => {
    const { setup, compiledStep } = setUp([1]);
    const updates: number[] = [];
    const skipped: (string | undefined)[] = [];
    for await (const outcome of trainingSteps(setup, compiledStep)) {
      updates.push(outcome.curriculumState!['updates']![0]!);
      skipped.push(outcome.skipped);
    }
    expect(updates).toEqual([1, 1, 2, 3]);
    expect(skipped.map((note) => note !== undefined)).toEqual([false, true, false, false]);
    expect(skipped[1]).toContain('step 2');
  });

  it('ends with an error after maxSkippedSteps in a row, which names the last good checkpoint', async () => {
    const { setup, compiledStep } = setUp([1, 2]);
    const asked: number[] = [];
    const done: number[] = [];
    const lastGoodCheckpoint = async () => {
      asked.push(done.length);
      return 'checkpoints/step-000001';
    };
    const run = async () => {
      for await (const { step } of trainingSteps(setup, compiledStep, { lastGoodCheckpoint })) done.push(step);
    };
    await expect(run()).rejects.toThrow(/NaN at step 3.*checkpoints\/step-000001/);
    expect(done).toEqual([1, 2]);
    expect(asked).toEqual([1, 2]);
  });
});
