import { float32 } from '@dm/ops';
import { expect, it } from 'vitest';
import { paddedBatches, rowsOf } from './padded-batches.js';

it('has batches of one size, the last one padded by its last row', () => {
  expect([...paddedBatches(5, 3)]).toEqual([
    { first: 0, length: 3, indices: [0, 1, 2] },
    { first: 3, length: 2, indices: [3, 4, 4] },
  ]);
  expect([...paddedBatches(2, 3)]).toEqual([{ first: 0, length: 2, indices: [0, 1] }]);
});

it('takes rows of every array', () => {
  const arrays = { a: float32([1, 2, 3, 4, 5, 6], [3, 2]), b: float32([7, 8, 9], [3]) };
  expect(rowsOf(arrays, [2, 0])).toEqual({ a: float32([5, 6, 1, 2], [2, 2]), b: float32([9, 7], [2]) });
});
