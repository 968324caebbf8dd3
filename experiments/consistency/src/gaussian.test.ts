import { createMemoryDataset } from '@dm/data';
import { openEngine } from '@dm/trainer';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createClosedFormSampler } from './gaussian.js';
import { prefixSwap } from './prefix-swap.js';

let engine: Awaited<ReturnType<typeof openEngine>>;
beforeAll(async () => {
  engine = await openEngine('tfjs-cpu');
});
afterAll(() => engine.dispose());

/** Mean and covariance of pairs (x, y), as [mean x, mean y, var x, cov, var y]. */
function momentsOf(values: ArrayLike<number>): number[] {
  const pairs = Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i]!, values[2 * i + 1]!] as const);
  const mean = (pick: (x: number, y: number) => number) =>
    pairs.reduce((sum, [x, y]) => sum + pick(x, y), 0) / pairs.length;
  const [mx, my] = [mean((x) => x), mean((_, y) => y)];
  return [mx, my, mean((x) => (x - mx) ** 2), mean((x, y) => (x - mx) * (y - my)), mean((_, y) => (y - my) ** 2)];
}

it('the Gaussian denoiser samples images of the mean and covariance of the training images', async () => {
  // Two correlated values with standard deviations of about 0.25, inside of the range that sampling clips to.
  const images = Uint8Array.from({ length: 800 }, (_, i) => {
    const u = (Math.floor(i / 2) % 20) - 9.5;
    const v = Math.floor(i / 40) - 9.5;
    return Math.round(i % 2 === 0 ? 140 + 5 * u : 110 + 4 * u + 4 * v);
  });
  const train = createMemoryDataset({ name: 'pairs', images, shape: [1, 1, 2] });
  const sampler = await createClosedFormSampler(train, engine);
  const { data } = await sampler.samples(3000, 100);
  const [mx, my, xx, xy, yy] = momentsOf(data);
  const expected = momentsOf(Array.from(images, (value) => value / 127.5 - 1));
  expect(mx).toBeCloseTo(expected[0]!, 2);
  expect(my).toBeCloseTo(expected[1]!, 2);
  [xx, xy, yy].forEach((value, i) => expect(Math.abs(value! / expected[2 + i]! - 1)).toBeLessThan(0.1));
  expect(xy! / Math.sqrt(xx! * yy!)).toBeCloseTo(expected[3]! / Math.sqrt(expected[2]! * expected[4]!), 1);
});

it('the posterior mean samples training images, and a prefix of the Gaussian denoiser changes some of them', async () => {
  const images = Uint8Array.from({ length: 400 * 4 }, (_, i) => (i * i * 31 + (i >> 2) * 77) % 256);
  const train = createMemoryDataset({ name: 'noise', images, shape: [2, 2, 1] });
  const sampler = await createClosedFormSampler(train, engine);
  const { data } = await sampler.samples(16, 200, { name: 'ddim' }, 1000);
  for (let n = 0; n < 16; n++) {
    const distances = Array.from({ length: 400 }, (_, m) =>
      Math.max(...[0, 1, 2, 3].map((k) => Math.abs(data[4 * n + k]! - (images[4 * m + k]! / 127.5 - 1)))),
    );
    expect(Math.min(...distances)).toBeLessThan(0.05);
  }
  const swaps = await prefixSwap(sampler, train, 64, 25);
  expect(swaps[0]).toEqual({ from: 1000, same: 1 });
  expect(swaps.at(-1)!.same).toBeLessThan(1);
});
