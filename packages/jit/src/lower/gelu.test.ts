import { conv2d, gelu } from '@dm/ops';
import { describe, expect, it } from 'vitest';
import { lowerGraph } from './lower-graph.js';
import { optimize } from '../passes/pipeline.js';
import { expectSame, floats, given } from '../testing.js';
import { trace } from '../trace/trace.js';

describe.each(['none', 'tanh'] as const)('gelu, approximate: %s', (approximate) => {
  it('and its gradient, in either layout and far from zero', async () => {
    await expectSame(({ x }) => gelu(x!, { approximate }), { x: floats([3, 5]) });
    await expectSame(({ x }) => gelu(x!, { approximate }), { x: given([-100, -20, -1, 0, 1, 20, 100]) });
    const inputs = { x: floats([2, 4, 3, 2]), w: floats([3, 3, 2, 5], 2) };
    await expectSame(({ x, w }) => gelu(conv2d(x!, w!), { approximate }), inputs, { tolerance: 1e-5 });
  });

  it('is one standard operator in the forward pass', () => {
    const spec = { x: { dtype: 'float32', shape: [2] } } as const;
    const graph = trace((_, { x }) => ({ outputs: { y: gelu(x!, { approximate }) } }), {}, spec);
    const [node] = lowerGraph(optimize(graph), { target: 'file' }).nodes;
    expect(node).toMatchObject({ op: 'Gelu', domain: '', attrs: { approximate: { string: approximate } } });
  });
});
