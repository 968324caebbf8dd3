import { createMemoryDataset } from '@dm/data';
import { expect, it } from 'vitest';
import type { ConsistencyResult } from './result.js';
import { nearestTraining } from './nearest-training.js';
import { groups, similarity, pairsOf, withoutGaussian } from './pairs.js';
import { dequantize, encodeBytes, quantize } from './encoding.js';

/** Samples of 2x2 pixels: eight patterns, plus an offset that depends on `seed`. */
function model(arm: string, seed: number, patternOf: (n: number) => number): ConsistencyResult {
  const pixels = Array.from({ length: 8 }, (_, n) => {
    const pattern = patternOf(n);
    return [pattern & 1, pattern & 2, pattern & 4, 1 - (pattern & 1)].map((bit) => (bit > 0 ? 200 : 20) + seed);
  });
  const samples = { final: encodeBytes(Uint8Array.from(pixels.flat())) };
  return { arm, seed, shape: [2, 2, 1], samples } as unknown as ConsistencyResult;
}

const unets = groups.find(({ arms: [a, b] }) => a === 'unet' && b === 'unet')!;
const halves = groups.find(({ arms: [a] }) => a === 'half-0')!;

it('pairs only models with different seeds, each pair once', () => {
  const ofSeeds = (arm: string) => [0, 1, 2].map((seed) => model(arm, seed, (n) => n));
  const results = new Map(['unet', 'half-0', 'half-1'].map((arm) => [arm, ofSeeds(arm)]));
  const seedsOf = (pairs: ReturnType<typeof pairsOf>) => pairs.map((pair) => pair.map(({ seed }) => seed));
  expect(seedsOf(pairsOf(unets, results))).toEqual([
    [0, 1],
    [0, 2],
    [1, 2],
  ]);
  expect(seedsOf(pairsOf(halves, results))).toHaveLength(6);
});

it('distinguishes models that agree for each noise from models that generate the same images from other noise', () => {
  const agreeing = [0, 1, 2].map((seed) => model('unet', seed, (n) => n));
  const shuffled = [0, 1, 2].map((seed) => model('unet', seed, (n) => (n + 3 * seed) % 8));
  const [alike, mae] = similarity(unets, new Map([['unet', agreeing]]), 'final', ['cosine', 'mae'])!;
  expect(alike!.same.mean).toBeGreaterThan(0.99);
  expect(alike!.overNearest.low).toBeGreaterThan(0);
  expect(alike!.retrieved.mean).toBe(1);
  expect(mae!.same.mean).toBeCloseTo((1 + 1 + 2) / 3, 10);
  expect(mae!.overNearest.mean).toBeCloseTo(mae!.nearest.mean - mae!.same.mean, 10);
  const [unlike] = similarity(unets, new Map([['unet', shuffled]]), 'final', ['cosine'])!;
  expect(unlike!.overNearest.high).toBeLessThan(0);
  expect(unlike!.retrieved.mean).toBe(0);
  expect(similarity(unets, new Map(), 'final', ['cosine'])).toBeUndefined();
});

it('preserves features to 1/255 of their range', () => {
  const values = Float32Array.of(-1, 0.5, 3, 0.123);
  const range = 4;
  dequantize(quantize(values)).forEach((value, i) => {
    expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(range / 255 / 2 + 1e-6);
  });
});

it('finds the training image of which a sample is a brighter copy', async () => {
  const images = Uint8Array.of(100, 0, 0, 0, 0, 100, 0, 0, 0, 0, 100, 0, 0, 0, 0, 100);
  const train = createMemoryDataset({ name: 'corners', images, shape: [2, 2, 1] });
  // The mean is 25 everywhere, which is the second sample.
  const samples = Uint8Array.of(0, 200, 0, 0, 25, 25, 25, 25);
  const [copy, blank] = (await nearestTraining(samples, train)).cosines;
  // cos((-25, 175, -25, -25), (-25, 75, -25, -25))
  expect(copy).toBeCloseTo((175 * 75 + 3 * 625) / (Math.hypot(175, 25, 25, 25) * Math.hypot(75, 25, 25, 25)), 6);
  expect(blank).toBe(0);
});

it('subtracts what another set of samples explains, from each sample by itself', () => {
  // Relative to the means, the samples are +-(a g + b h) with g orthogonal to h.
  const g = [10, 10, -10, -10];
  const h = [4, -4, 4, -4];
  const gaussian = Uint8Array.from([1, -1].flatMap((sign) => g.map((value) => 100 + sign * value)));
  const samples = Uint8Array.from([1, -1].flatMap((sign) => g.map((value, i) => 90 + sign * (2 * value + h[i]!))));
  expect([...withoutGaussian(samples, gaussian, 4)]).toEqual([...h, ...h.map((value) => -value)]);
});

it('pairs the Gaussian denoiser, which has one seed, with all seeds', () => {
  const results = new Map([
    ['gaussian', [model('gaussian', 0, (n) => n)]],
    ['unet', [0, 1, 2].map((seed) => model('unet', seed, (n) => n))],
  ]);
  const group = groups.find(({ kind, arms: [, arm] }) => kind === 'gaussian' && arm === 'unet')!;
  expect(pairsOf(group, results)).toHaveLength(3);
});
