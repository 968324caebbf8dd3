import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createMemoryDataset } from './memory.js';

const images = Uint8Array.of(1, 2, 3, 4, 5, 6);

describe('memoryDataset', () => {
  it('reads by index in any order', async () => {
    const set = createMemoryDataset({ name: 'x', images, shape: [1, 2, 1], labels: [0, 2, 1] });
    expect([set.length, set.classes]).toEqual([3, ['0', '1', '2']]);
    const batch = await set.read([2, 0, 2]);
    expect([[...batch.images], [...batch.labels!]]).toEqual([
      [5, 6, 1, 2, 5, 6],
      [1, 0, 1],
    ]);
    expect((await set.read([])).images.length).toBe(0);
  });

  it('hashes images, then labels as little-endian int32', async () => {
    const expected = createHash('sha256')
      .update(images)
      .update(Uint8Array.of(0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0));
    const set = createMemoryDataset({ name: 'x', images, shape: [1, 2, 1], labels: [0, 2, 1] });
    expect(await set.hash()).toBe(expected.digest('hex'));
    const bare = createMemoryDataset({ name: 'x', images, shape: [1, 2, 1] });
    expect(await bare.hash()).toBe(createHash('sha256').update(images).digest('hex'));
  });

  it.each([[-1], [3], [0.5], [NaN]])('refuses index %s', async (index) => {
    const set = createMemoryDataset({ name: 'x', images, shape: [1, 2, 1] });
    await expect(set.read([0, index])).rejects.toThrow(`indices[1] must be an integer in [0, 3), got ${index}`);
    await expect(set.read([index])).rejects.toBeInstanceOf(RangeError);
  });

  it('refuses what contradicts itself', () => {
    expect(() => createMemoryDataset({ name: 'x', images, shape: [2, 2, 1] })).toThrow(
      '6 bytes are no whole number of 2x2x1',
    );
    expect(() => createMemoryDataset({ name: 'x', images, shape: [0, 2, 1] })).toThrow('[0, 2, 1] must be');
    expect(() => createMemoryDataset({ name: 'x', images: new Uint8Array(), shape: [1, 2, 1] })).toThrow(
      'x: no images.',
    );
    expect(() => createMemoryDataset({ name: 'x', images, shape: [1, 2, 1], labels: [0] })).toThrow(
      '1 labels for 3 images',
    );
    expect(() =>
      createMemoryDataset({ name: 'x', images, shape: [1, 2, 1], labels: [0, 1, 2], classes: ['a', 'b'] }),
    ).toThrow('label 2 of image 2 is outside [0, 2)');
  });
});
