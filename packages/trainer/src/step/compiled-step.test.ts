import { rmSync } from 'node:fs';
import type { Arrays } from '@dm/ops';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawTimesteps, fetchBatch } from './batch.js';
import type { PartialConfig } from '../config/schema.js';
import { openEngine } from '../setup/engine.js';
import { openTrainingSetup } from '../setup/open-training-setup.js';
import { resolveConfig } from '../config/resolve.js';
import { initialState } from '../checkpoint/state.js';
import { compileStep, type StepResult } from './compiled-step.js';
import { tinyConfig, tinyDit, tinyFolder } from '../testing/tiny.js';
import { UserError } from '../errors.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The first steps of a run; `spoil` is a step whose loss is made no number. */
async function steps(engineName: 'tfjs-cpu' | 'onnx', part: PartialConfig, count: number, spoil?: number) {
  const given = { ...tinyConfig(folder, 8), ...part };
  const setup = await openTrainingSetup(resolveConfig([{ source: 'test', value: given }]));
  const engine = await openEngine(engineName);
  const stepper = await compileStep(setup, engine, initialState(setup));
  const results: StepResult[] = [];
  const states: Arrays[] = [];
  for (let step = 0; step < count; step++) {
    const draw = drawTimesteps(setup, step, undefined);
    const weights = step === spoil ? draw.weights.map((w, i) => (i === 0 ? NaN : w)) : draw.weights;
    results.push(await stepper.run(step, await fetchBatch(setup, step), { ...draw, weights }));
    states.push(await stepper.state.read(['params', 'ema', 'm', 'v']));
  }
  await stepper.dispose();
  await engine.dispose();
  return { results, states, last: states.at(-1)! };
}

describe.each(['tfjs-cpu', 'onnx'] as const)('a step on %s', (engine) => {
  // Compared are the moments: Adam's first steps are nearly signs of the gradient, which rounding turns near zero.
  const config: PartialConfig = { batchSize: 12, model: { type: 'dit', ...tinyDit }, flip: true };

  it('is the same on a batch in parts as in one piece, up to the order of sums', async () => {
    const whole = await steps(engine, config, 3);
    for (const accumulate of [2, 3, 12]) {
      const parts = await steps(engine, { ...config, gradientAccumulation: accumulate }, 3);
      whole.results.forEach(({ loss, gradNorm, losses, isFinite }, step) => {
        const other = parts.results[step]!;
        expect(isFinite && other.isFinite).toBe(true);
        expect(other.loss / loss).toBeCloseTo(1, 5);
        expect(other.gradNorm / gradNorm).toBeCloseTo(1, 4);
        losses.forEach((value, i) => expect(other.losses[i]! / value).toBeCloseTo(1, 4));
      });
      for (const name of ['m', 'v']) {
        expect(parts.last[name]!).toBeAllClose(whole.last[name]!, { rtol: 1e-4, relativeTo: 'norm' });
      }
    }
  });

  it.each([1, 3])(
    'that is no number leaves the state to the bit, and the next one goes on (%i parts)',
    async (accumulate) => {
      const { results, states } = await steps(engine, { ...config, gradientAccumulation: accumulate }, 3, 1);
      expect(results.map((result) => result.isFinite)).toEqual([true, false, true]);
      expect(results[1]!.loss).toBeNaN();
      expect(states[1]).toEqual(states[0]);
      expect(states[2]!['params']).not.toEqual(states[1]!['params']);
      expect(states[2]!['params']!.data.every(Number.isFinite)).toBe(true);
    },
  );
});

it('refuses parts that are not equal', async () => {
  await expect(steps('tfjs-cpu', { batchSize: 10, gradientAccumulation: 4 }, 1)).rejects.toThrowWith({
    type: UserError,
    code: 'CONFIG_INVALID',
    contains: ['gradientAccumulation is 4', 'batchSize 10'],
  });
});
