import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createMemoryDataset } from './memory.js';

const images = Uint8Array.of(1, 2, 3, 4, 5, 6);

describe('memoryDataset', () => {
  it.each([
    [2 ** 40, 'too large'],
    [-1, 'negative'],
    [0.5, 'not an integer'],
    [NaN, 'not an integer'],
  ])('refuses the label %s', (label, problem) => {
    const labels = [0, label, 0];
    expect(() => createMemoryDataset({ name: 'x', images, shape: [1, 2, 1], labels })).toThrowWith({
      code: 'DATA_INVALID',
      contains: ['x', `label ${label} of image 1`, problem],
    });
  });

  it('says that labels count from 1: an error if the classes have names, else a note', () => {
    const open = (labels: number[], classes?: string[]) =>
      createMemoryDataset({ name: 'x', images, shape: [1, 2, 1], labels, ...(classes && { classes }) });
    expect(() => open([1, 2, 1], ['cat', 'dog'])).toThrowWith({
      code: 'DATA_INVALID',
      contains: ['2', 'count from 1'],
    });
    expect(() => open([1, 3, 1], ['cat', 'dog'])).toThrowWith({ code: 'DATA_INVALID', contains: '3' });
    expect(open([1, 2, 1]).notes).toEqual([expect.stringContaining('from 1 to 2 make 3 classes')]);
    expect(open([0, 2, 1]).notes).toBeUndefined();
    expect(open([1, 1, 1], ['cat', 'dog']).notes).toBeUndefined();
  });

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
    await expect(set.read([0, index])).rejects.toThrowWith({
      type: RangeError,
      contains: ['indices[1]', '[0, 3)', `got ${index}`],
    });
    await expect(set.read([index])).rejects.toBeInstanceOf(RangeError);
  });

  it('refuses what contradicts itself', () => {
    expect(() => createMemoryDataset({ name: 'x', images, shape: [2, 2, 1] })).toThrowWith({
      code: 'DATA_INVALID',
      contains: ['6 bytes', '2x2x1'],
    });
    expect(() => createMemoryDataset({ name: 'x', images, shape: [0, 2, 1] })).toThrowWith({
      code: 'DATA_INVALID',
      contains: ['[0, 2, 1]'],
    });
    expect(() => createMemoryDataset({ name: 'x', images: new Uint8Array(), shape: [1, 2, 1] })).toThrowWith({
      code: 'DATA_EMPTY',
      contains: ['x: no images'],
    });
    expect(() => createMemoryDataset({ name: 'x', images, shape: [1, 2, 1], labels: [0] })).toThrowWith({
      code: 'DATA_INVALID',
      contains: ['1 labels', '3 images'],
    });
    expect(() =>
      createMemoryDataset({ name: 'x', images, shape: [1, 2, 1], labels: [0, 1, 2], classes: ['a', 'b'] }),
    ).toThrowWith({ code: 'DATA_INVALID', contains: ['label 2', 'image 2', '[0, 2)'] });
  });
});
