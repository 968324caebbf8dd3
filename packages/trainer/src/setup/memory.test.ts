import { afterEach, expect, it, vi } from 'vitest';
import { resolveConfig } from '../config/resolve.js';
import type { PartialConfig } from '../config/schema.js';
import { openDenoiser } from './open-denoiser.js';
import { checkTrainingMemory, estimateMemory } from './memory.js';
import { createTrainingSetup } from './training-setup.js';

afterEach(() => vi.unstubAllEnvs());

function estimate(value: PartialConfig) {
  const config = resolveConfig([{ source: 'the test', value }]);
  const read = () => Promise.reject(new Error('nothing is read'));
  return estimateMemory(createTrainingSetup(config, { name: 'digits', shape: [28, 28, 1], classes: [], read }));
}

it('counts state, gradient, batch and activations', () => {
  const { parameters, bytes } = estimate({});
  // Parameters, EMA, two moments of Adam, the gradient; MNIST's default run peaks at about 0.4 GiB.
  expect(bytes).toBeGreaterThan(5 * 4 * parameters + 4 * 32 * 784);
  expect(bytes).toBeLessThan(0.4 * 2 ** 30);
  expect(estimate({ batchSize: 64 }).bytes).toBeGreaterThan(1.3 * bytes);
  expect(estimate({ activationCheckpointing: true }).bytes).toBeLessThan(bytes);
});

it('answers for a model of many billions of parameters, without allocating it, and refuses it by its size', () => {
  const huge = estimate({ model: { type: 'dit', input_size: 28, patch_size: 2, hidden_size: 65_536, depth: 1000 } });
  expect(huge.parameters).toBeGreaterThan(1e13);
  expect(() => checkTrainingMemory(huge, 64 * 2 ** 30)).toThrow(
    expect.objectContaining({ code: 'OUT_OF_MEMORY', message: expect.stringContaining('64.0 GiB') }),
  );
  expect(() => checkTrainingMemory(huge, 64 * 2 ** 30)).toThrow(huge.parameters.toLocaleString('en'));
  expect(() => checkTrainingMemory(huge, 64 * 2 ** 30, true)).not.toThrow();
  vi.stubEnv('DM_SKIP_MEMORY_CHECK', '1');
  expect(() => checkTrainingMemory(huge, 64 * 2 ** 30)).not.toThrow();
});

it.each([
  ['a wide transformer', { type: 'dit', input_size: 28, patch_size: 2, hidden_size: 65_536, depth: 1000 }],
  ['a large table of positions', { type: 'dit', input_size: 65_536, patch_size: 1, hidden_size: 4096, depth: 1 }],
  ['images larger than any', { type: 'unet', sample_size: 65_536 }],
] as const)('refuses %s of a run before anything is allocated', (_, model) => {
  const before = process.memoryUsage().rss;
  const config = resolveConfig([{ source: 'the test', value: { model } }]);
  expect(() => openDenoiser(config)).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }));
  expect(() => openDenoiser(config)).toThrow(/ parameters /);
  expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 30);
});
