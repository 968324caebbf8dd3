import { layerNorm } from '@dm/ops';
import { it } from 'vitest';
import { expectSame, floats } from '../testing.js';

it.each([[[2, 3, 8]], [[5, 4]], [[6]]])('layerNorm of %j with scale and offset, and its gradients', async (shape) => {
  const inputs = { x: floats(shape), scale: floats(shape.slice(-1), 2), offset: floats(shape.slice(-1), 3) };
  await expectSame(({ x, scale, offset }) => layerNorm(x!, { scale: scale!, offset: offset! }), inputs, {
    tolerance: 2e-5,
  });
});

it('layerNorm without scale and offset, and its gradient', async () => {
  await expectSame(({ x }) => layerNorm(x!), { x: floats([2, 3, 8]) }, { tolerance: 2e-5 });
});
