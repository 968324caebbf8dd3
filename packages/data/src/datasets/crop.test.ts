import { describe, expect, it } from 'vitest';
import { cropOffsets } from '../batch/augment.js';
import { cropDataset } from './crop.js';
import { cropImages } from '../batch/crop-images.js';
import { loadBatch } from '../batch/load-batch.js';
import { createMemoryDataset } from './memory.js';

/** 4 images of 3x4 pixels whose values are 20 n + 4 y + x. */
const images = Uint8Array.from({ length: 4 * 12 }, (_, i) => 20 * Math.floor(i / 12) + (i % 12));
const dataset = createMemoryDataset({ name: 'four', images, shape: [3, 4, 1], labels: [0, 1, 2, 3] });

describe('cropDataset', () => {
  it('cuts the middle out', async () => {
    const cut = cropDataset(dataset, { size: 2, at: 'center' });
    expect([cut.shape, cut.length, cut.readCrops]).toEqual([[2, 2, 1], 4, undefined]);
    // Of 3 rows the upper of two middles, of 4 columns the middle.
    expect(await cut.read([1])).toEqual({ images: Uint8Array.of(21, 22, 25, 26), labels: Int32Array.of(1) });
    const all = cropDataset(createMemoryDataset({ name: 'x', images, shape: [4, 3, 1] }), { size: 3, at: 'center' });
    expect([...(await all.read([0])).images]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('reaches every place equally often in training, each a function of (seed, example)', async () => {
    const cut = cropDataset(dataset, { size: 2, at: 'random' });
    const counts = new Map<number, number>();
    for (let step = 0; step < 600; step++) {
      const batch = await loadBatch(cut, { seed: 3, step, batchSize: 4 });
      batch.indices.forEach((index, n) => {
        const corner = Math.round((batch.images[4 * n]! + 1) * 127.5) - 20 * index;
        counts.set(corner, (counts.get(corner) ?? 0) + 1);
      });
    }
    expect([...counts.keys()].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 4, 5, 6]);
    const chi2 = [...counts.values()].reduce((sum, count) => sum + (count - 400) ** 2 / 400, 0);
    // 5 degrees of freedom: above 20.5 in one of 1000 cases.
    expect(chi2).toBeLessThan(20.5);

    const one = Array.from({ length: 40 }, (_, step) => [...cropOffsets({ seed: 3, step, batchSize: 1 })]).flat();
    const many = Array.from({ length: 5 }, (_, step) => [...cropOffsets({ seed: 3, step, batchSize: 8 })]).flat();
    expect(many).toEqual(one);
    expect([...cropOffsets({ seed: 4, step: 0, batchSize: 8 })]).not.toEqual(one.slice(0, 16));
  });

  it('crops what is cropped already', async () => {
    const random = cropDataset(dataset, { size: 3, at: 'random' });
    const cut = cropDataset(random, { size: 1, at: 'center' });
    const batch = await loadBatch(cut, { seed: 3, step: 0, batchSize: 4 });
    expect([cut.shape, batch.images.length]).toEqual([[1, 1, 1], 4]);
  });

  it('has a hash of its own, and refuses what does not fit', async () => {
    const hash = await cropDataset(dataset, { size: 2, at: 'center' }).hash();
    expect(hash).not.toBe(await dataset.hash());
    expect(hash).not.toBe(await cropDataset(dataset, { size: 1, at: 'center' }).hash());
    for (const size of [0, 4, 1.5]) {
      expect(() => cropDataset(dataset, { size, at: 'center' })).toThrowWith({
        code: 'DATA_OPTION',
        contains: ['four', `crop of ${size} `, '3x4', 'from 1 to 3'],
      });
    }
  });

  it('cuts at the place given', () => {
    const cut = cropImages(images, [3, 4, 1], 2, [0, 0, 0.99, 0.99, 0.5, 0.4, 0, 0.7]);
    expect([...cut]).toEqual([0, 1, 4, 5, 26, 27, 30, 31, 45, 46, 49, 50, 62, 63, 66, 67]);
  });
});
