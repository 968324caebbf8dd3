import { groupNorm } from '@dm/ops';
import { describe, it } from 'vitest';
import { expectSame, floats } from '../testing.js';

describe('groupNorm and its gradients', () => {
  it.each([
    { shape: [2, 4, 3, 6], groups: 3 },
    { shape: [2, 4, 3, 6], groups: 6 },
    { shape: [1, 5, 5, 4], groups: 1 },
    { shape: [2, 7, 4], groups: 2 },
    { shape: [3, 8], groups: 2 },
  ])('$shape in $groups groups', async ({ shape, groups }) => {
    const channels = shape.at(-1)!;
    const inputs = { x: floats(shape), scale: floats([channels], 2), offset: floats([channels], 3) };
    await expectSame(({ x, scale, offset }) => groupNorm(x!, scale!, offset!, { groups }), inputs, { tolerance: 2e-5 });
  });

  it('of an image far from zero', async () => {
    const x = floats([2, 8, 8, 4]);
    x.data.forEach((value, i) => (x.data[i] = value + 30));
    const inputs = { x, scale: floats([4], 2), offset: floats([4], 3) };
    await expectSame(({ x, scale, offset }) => groupNorm(x!, scale!, offset!, { groups: 2 }), inputs, {
      tolerance: 1e-4,
    });
  });
});
