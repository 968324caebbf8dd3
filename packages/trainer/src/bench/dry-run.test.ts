import { existsSync, rmSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { dryRun, type DryRunOptions } from './dry-run.js';
import { tinyConfig, tinyDit, tinyFolder } from '../testing/tiny.js';

it('tells what a training would be and writes nothing', async () => {
  const folder = await tinyFolder();
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const extraEmas = { slow: { type: 'fixed', decay: 0.9 } } as const;
  const config = {
    ...tinyConfig(folder, 100),
    model: { type: 'dit' as const, ...tinyDit },
    gradientAccumulation: 2,
    extraEmas,
  };
  const result = await dryRun([{ source: 'test', value: config }]);
  expect(result.config.model).toMatchObject({ input_size: 8, depth: 1 });
  expect(result.model).toMatch(/blocks\.0 .*\ntotal/s);
  // Parameters, two averages, two moments, the summed gradients, and the table of positions [1, 4, 16]: float32.
  expect(result.stateBytes).toBe(4 * (6 * result.parameters + 64));
  // All but the summed gradients; the table of positions is in each file of weights.
  expect(result.checkpointBytes).toBe(4 * (5 * result.parameters + 3 * 64));
  expect(result.measured).toMatchObject({ steps: 2, engine: 'tfjs-cpu' });
  expect(result.seconds).toBeCloseTo((100 * result.measured!.stepMs.median) / 1000);
  expect(existsSync(config.out!)).toBe(false);
});

it('tells parameters and memory before it runs a step, and runs none of a large model', async () => {
  const folder = await tinyFolder();
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const told: (readonly [parameters: number, bytes: number])[] = [];
  const dry = (hidden_size: number, options: DryRunOptions = {}) =>
    dryRun(
      [{ source: 'test', value: { ...tinyConfig(folder, 100), model: { type: 'dit', ...tinyDit, hidden_size } } }],
      {
        onPlan: ({ parameters, memoryBytes }) => told.push([parameters, memoryBytes]),
        measure: () => Promise.reject(new Error('a step is run')),
        ...options,
      },
    );
  await expect(dry(16)).rejects.toThrow('a step is run');
  const large = await dry(4096);
  expect(large.parameters).toBeGreaterThan(3e8);
  expect(large).not.toHaveProperty('measured');
  expect(large.notMeasured).toBeTypeOf('string');
  await expect(dry(65_536 * 8)).rejects.toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }));
  const allowed = await dry(65_536 * 8, { skipMemoryCheck: true });
  expect(allowed.memoryBytes).toBeGreaterThan(1e12);
  expect(told).toHaveLength(4);
  expect(told.at(-1)).toEqual([allowed.parameters, allowed.memoryBytes]);
});
