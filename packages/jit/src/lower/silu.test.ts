import { conv2d, silu } from '@dm/ops';
import { expect, it } from 'vitest';
import { optimize } from '../passes/pipeline.js';
import type { LoweringTarget } from './context.js';
import { lowerGraph } from './lower-graph.js';
import { trace } from '../trace/trace.js';
import { expectSame, floats, given } from '../testing.js';

it('silu and its gradient, in either layout and far from zero', async () => {
  await expectSame(({ x }) => silu(x!), { x: floats([3, 5]) });
  await expectSame(({ x }) => silu(x!), { x: given([-100, -20, -1, 0, 1, 20, 100]) });
  const inputs = { x: floats([2, 4, 3, 2]), w: floats([3, 3, 2, 5], 2) };
  await expectSame(({ x, w }) => silu(conv2d(x!, w!)), inputs, { tolerance: 1e-5 });
});

it('uses only standard operators in a file and on a device', () => {
  const graph = trace((_, { x }) => ({ outputs: { y: silu(x!) } }), {}, { x: { dtype: 'float32', shape: [2] } });
  const domains = (target: LoweringTarget) => lowerGraph(optimize(graph), { target }).nodes.map((node) => node.domain);
  expect(domains('cpu')).toContain('com.microsoft');
  expect(new Set([...domains('file'), ...domains('gpu')])).toEqual(new Set(['']));
});
