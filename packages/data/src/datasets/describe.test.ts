import { describe, expect, it } from 'vitest';
import { describeDataset } from './describe.js';
import { floatDataset } from './float-dataset.js';
import { createMemoryDataset } from './memory.js';

describe('describeDataset', () => {
  it('counts, and has the mean and deviation of each channel', async () => {
    // Red 0 and 255, green 51 always, blue 0, 0, 255, 255.
    const images = Uint8Array.of(0, 51, 0, 255, 51, 0, 0, 51, 255, 255, 51, 255);
    const set = createMemoryDataset({
      name: 'two',
      images,
      shape: [1, 2, 3],
      labels: [2, 2],
      classes: ['a', 'b', 'c'],
    });
    const found = await describeDataset({ ...set, notes: ['said'] });
    expect(found).toEqual({
      name: 'two',
      length: 2,
      shape: [1, 2, 3],
      channels: [
        { mean: 0.5, std: 0.5, min: 0, max: 1 },
        { mean: 0.2, std: 0, min: 0.2, max: 0.2 },
        { mean: 0.5, std: 0.5, min: 0, max: 1 },
      ],
      classes: [
        { name: 'a', images: 0 },
        { name: 'b', images: 0 },
        { name: 'c', images: 2 },
      ],
      notes: ['said'],
      sha256: await set.hash(),
      sheet: { indices: [0, 1], columns: 10 },
    });
  });

  it('has the deviation of floats that are far from 0', async () => {
    const values = Float32Array.from({ length: 4096 }, (_, i) => 10_000 + (i % 2) / 64);
    const read = async (indices: ArrayLike<number>) => ({
      values: Float32Array.from({ length: 64 * indices.length }, (_, i) => values[64 * indices[i >> 6]! + (i & 63)]!),
    });
    const shape = [8, 8, 1] as const;
    const set = floatDataset({
      name: 'far',
      length: 64,
      shape,
      classes: [],
      dtype: 'float32',
      read,
      hash: async () => '0',
    });
    expect((await describeDataset(set)).channels).toEqual([
      {
        mean: expect.closeTo(10_000 + 1 / 128, 8),
        std: expect.closeTo(1 / 128, 10),
        min: 10_000,
        max: 10_000 + 1 / 64,
      },
    ]);
  });

  it('shows ten images of each class if there are enough, else evenly spaced images', async () => {
    const labels = Array.from({ length: 40 }, (_, i) => i % 3);
    const set = createMemoryDataset({ name: 'x', images: new Uint8Array(40), shape: [1, 1, 1], labels });
    const { sheet, classes } = await describeDataset(set);
    expect(sheet.indices.map((index) => labels[index])).toEqual([0, 1, 2].flatMap((label) => Array(10).fill(label)));
    expect(classes.map(({ images }) => images)).toEqual([14, 13, 13]);
    const many = createMemoryDataset({ name: 'x', images: new Uint8Array(1000), shape: [1, 1, 1] });
    const described = await describeDataset(many);
    expect([described.classes, described.sheet.indices.length, described.sheet.indices[99]]).toEqual([[], 100, 990]);
  });
});
