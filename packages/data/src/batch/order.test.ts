import { describe, expect, it } from 'vitest';
import { flipImages, horizontalFlips } from './augment.js';
import { loadBatch } from './load-batch.js';
import { createMemoryDataset } from '../datasets/memory.js';
import { batchIndices, epochOrder } from './order.js';

const run = (seed: number, batchSize: number, steps: number, length: number) =>
  Array.from({ length: steps }, (_, step) => [...batchIndices({ seed, step, batchSize, length })]).flat();

describe('epochOrder', () => {
  it('is a permutation, another for each seed and epoch', () => {
    const order = epochOrder({ seed: 1, epoch: 0, length: 1000 });
    expect([...order].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(epochOrder({ seed: 1, epoch: 0, length: 1000 })).toEqual(order);
    expect(epochOrder({ seed: 1, epoch: 1, length: 1000 })).not.toEqual(order);
    expect(epochOrder({ seed: 2, epoch: 0, length: 1000 })).not.toEqual(order);
  });

  it('puts every image in every place about equally often', () => {
    const counts = Array.from({ length: 6 }, () => Array.from({ length: 6 }, () => 0));
    for (let epoch = 0; epoch < 3000; epoch++) {
      epochOrder({ seed: 5, epoch, length: 6 }).forEach((image, place) => counts[place]![image]!++);
    }
    const chi2 = counts.flat().reduce((sum, count) => sum + (count - 500) ** 2 / 500, 0);
    // 25 degrees of freedom: above 52.6 in one of 1000 cases.
    expect(chi2).toBeLessThan(52.6);
  });

  it('refuses an empty set', () => {
    expect(() => epochOrder({ seed: 0, epoch: 0, length: 0 })).toThrowWith({
      type: RangeError,
      contains: ['number of images', '>= 1', 'got 0'],
    });
  });
});

describe('batchIndices', () => {
  it('is one stream of images at every batch size, across the ends of epochs', () => {
    const stream = run(3, 1, 120, 25);
    expect(run(3, 7, 17, 25)).toEqual(stream.slice(0, 119));
    expect(run(3, 40, 3, 25)).toEqual(stream);
    // A batch larger than several epochs of a tiny set.
    expect(run(3, 120, 1, 25)).toEqual(stream);
    for (let epoch = 0; epoch < 4; epoch++) {
      expect(stream.slice(epoch * 25, (epoch + 1) * 25)).toEqual([...epochOrder({ seed: 3, epoch, length: 25 })]);
    }
  });

  it('has no state: any step in any order, other runs in between', () => {
    const expected = run(3, 8, 10, 25);
    const backwards = Array.from({ length: 10 }, (_, k) => 9 - k).map((step) => {
      batchIndices({ seed: step, step: 100 * step, batchSize: 8, length: 30 });
      return [...batchIndices({ seed: 3, step, batchSize: 8, length: 25 })];
    });
    expect(backwards.toReversed().flat()).toEqual(expected);
  });

  it('refuses batch 0 and steps that are none', () => {
    expect(() => batchIndices({ seed: 0, step: 0, batchSize: 0, length: 5 })).toThrowWith({
      type: RangeError,
      contains: ['batchSize', '>= 1', 'got 0'],
    });
    expect(() => batchIndices({ seed: 0, step: -1, batchSize: 1, length: 5 })).toThrowWith({
      type: RangeError,
      contains: ['step', '>= 0', 'got -1'],
    });
    expect(() => batchIndices({ seed: 0, step: 0, batchSize: 1, length: 0 })).toThrow(RangeError);
  });
});

describe('flips', () => {
  it('are the same at every batch size, and half of them true', () => {
    const one = Array.from({ length: 2000 }, (_, step) => horizontalFlips({ seed: 4, step, batchSize: 1 })).flat();
    const many = Array.from({ length: 4 }, (_, step) => horizontalFlips({ seed: 4, step, batchSize: 500 })).flat();
    expect(many).toEqual(one);
    // Four deviations of Binomial(2000, 1/2).
    expect(Math.abs(one.filter(Boolean).length - 1000)).toBeLessThan(90);
    expect(horizontalFlips({ seed: 5, step: 0, batchSize: 64 })).not.toEqual(one.slice(0, 64));
  });

  it('tell apart examples beyond 2^32', () => {
    const step = 2 ** 26;
    expect(horizontalFlips({ seed: 4, step, batchSize: 64 })).not.toEqual(
      horizontalFlips({ seed: 4, step: 0, batchSize: 64 }),
    );
  });

  it('mirror rows and keep pixels whole', () => {
    const images = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    flipImages(images, [1, 2, 3], [true, false]);
    expect([...images]).toEqual([4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 11, 12]);
    const odd = Uint8Array.of(1, 2, 3, 4, 5, 6);
    flipImages(odd, [2, 3, 1], [true]);
    expect([...odd]).toEqual([3, 2, 1, 6, 5, 4]);
    expect(() => flipImages(images, [1, 2, 3], [true])).toThrowWith({
      type: RangeError,
      contains: ['12 numbers', '1 images', '1x2x3'],
    });
  });
});

describe('loadBatch', () => {
  const images = Uint8Array.from({ length: 10 * 2 }, (_, i) => 12 * i);
  const labels = Array.from({ length: 10 }, (_, i) => i);
  const dataset = createMemoryDataset({ name: 'ten', images, shape: [1, 2, 1], labels });

  it('brings order, labels, flips and floats together', async () => {
    const options = { seed: 1, step: 2, batchSize: 7 };
    const batch = await loadBatch(dataset, options);
    expect(batch.indices).toEqual(batchIndices({ ...options, length: 10 }));
    expect([...batch.labels!]).toEqual([...batch.indices]);
    const float = (byte: number) => Math.fround(byte / 127.5 - 1);
    expect([...batch.images]).toEqual([...batch.indices].flatMap((n) => [float(24 * n), float(24 * n + 12)]));

    const flips = horizontalFlips(options);
    expect(new Set(flips).size).toBe(2);
    const flipped = await loadBatch(dataset, { ...options, flip: true });
    flips.forEach((flip, n) => {
      const pair = [...batch.images.subarray(2 * n, 2 * n + 2)];
      expect([...flipped.images.subarray(2 * n, 2 * n + 2)]).toEqual(flip ? pair.toReversed() : pair);
    });
    // The set itself is as it was.
    expect([...(await dataset.read([3])).images]).toEqual([72, 84]);
  });
});
