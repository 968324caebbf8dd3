import { conv2d, upsampleNearest } from '@dm/ops';
import { it } from 'vitest';
import { expectSame, floats } from '../testing.js';

it.each([2, 3])('nearest upsampling by %i and its gradient', async (factor) => {
  await expectSame(({ x }) => upsampleNearest(x!, { factor }), { x: floats([2, 3, 4, 2]) });
});

it('upsampling between convolutions', async () => {
  const inputs = { x: floats([2, 3, 4, 2]), w: floats([3, 3, 2, 3], 2) };
  await expectSame(({ x, w }) => upsampleNearest(conv2d(x!, w!)), inputs, { tolerance: 1e-5 });
});
