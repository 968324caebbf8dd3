import { expect, it } from 'vitest';
import { disjointSets, downsample, evenlySpacedIndices, halfSplit, holdOut, loadMnist12, SIDE } from './data.js';

it('averages 2x2 pixels of the central 24x24', () => {
  const image = new Uint8Array(28 * 28);
  image.set([10, 20], 2 * 28 + 2);
  image.set([30, 41], 3 * 28 + 2);
  image[0] = 255; // in the margin
  const small = downsample(image, 1);
  expect(small[0]).toBe(Math.round((10 + 20 + 30 + 41) / 4));
  expect(small.slice(1).every((value) => value === 0)).toBe(true);
});

it('returns MNIST at 12x12 with its labels', async () => {
  const set = await loadMnist12('train', 5);
  expect([set.length, ...set.shape]).toEqual([5, SIDE, SIDE, 1]);
  // The first labels of MNIST's training set.
  expect([...(await set.read([0, 1, 2, 3, 4])).labels!]).toEqual([5, 0, 4, 1, 9]);
});

it('splits a data set into disjoint halves', async () => {
  const set = await loadMnist12('train', 5);
  const halves = [await halfSplit(set, 0), await halfSplit(set, 1)];
  expect(halves.map(({ length }) => length)).toEqual([3, 2]);
  expect([...(await halves[0]!.read([0, 1, 2])).labels!]).toEqual([5, 4, 9]);
  expect([...(await halves[1]!.read([0, 1])).labels!]).toEqual([0, 1]);
  expect((await halves[1]!.read([1])).images).toEqual((await set.read([3])).images);
});

it('holds out the last images', async () => {
  const set = await loadMnist12('train', 5);
  const { train, validation } = await holdOut(set, 2);
  expect([train.length, validation.length]).toEqual([3, 2]);
  expect((await train.read([2])).images).toEqual((await set.read([2])).images);
  expect((await validation.read([0, 1])).images).toEqual((await set.read([3, 4])).images);
});

it('returns evenly spaced indices', () => {
  expect([...evenlySpacedIndices(4, 10)]).toEqual([0, 2, 5, 7]);
});

it('disjoint sets are drawn from all images, even and odd ones alike', () => {
  const sets = disjointSets(4, 2000, 55_000);
  expect(new Set(sets.flatMap((set) => [...set])).size).toBe(8000);
  for (const set of sets) {
    const odd = set.filter((i) => i % 2 === 1).length;
    // 1000 on average, with a standard deviation of 22.
    expect(Math.abs(odd - 1000)).toBeLessThan(110);
    expect(Math.max(...set)).toBeGreaterThan(54_000);
  }
  expect(() => disjointSets(3, 20, 59)).toThrow(RangeError);
});
