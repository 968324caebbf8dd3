import { attention } from '@dm/ops';
import { it } from 'vitest';
import { expectSame, floats } from '../testing.js';

it.each([
  { q: [2, 3, 5, 4], kv: [2, 3, 5, 4] },
  { q: [1, 1, 2, 8], kv: [1, 1, 7, 8] },
  // Too large for one group of images: the groups have two, two and one.
  { q: [5, 2, 512, 2], kv: [5, 2, 512, 2] },
])('attention of $q to $kv and its gradients', async ({ q, kv }) => {
  const inputs = { q: floats(q), k: floats(kv, 2), v: floats(kv, 3) };
  await expectSame(({ q, k, v }) => attention(q!, k!, v!, { scale: 0.5 }), inputs, { tolerance: 1e-5 });
});
