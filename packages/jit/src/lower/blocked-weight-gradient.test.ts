import { conv2d } from '@dm/ops';
import { expect, it } from 'vitest';
import { lowerGraph } from './lower-graph.js';
import { expectSame, floats, withGradients } from '../testing.js';
import { trace } from '../trace/trace.js';

/** Convolutions with 5 x 7 kernels, which only the weight gradient of such an image has. */
const slidesOverBlocks = (inputs: Parameters<typeof trace>[2], options: object): boolean => {
  const program = withGradients(({ x, w }) => conv2d(x!, w!, options));
  const { nodes } = lowerGraph(trace(program, {}, inputs), { block: 16 });
  const kernels = nodes
    .filter(({ op, domain }) => op === 'Conv' && domain !== '')
    .map(({ attrs }) => attrs['kernel_shape']);
  return kernels.some((kernel) => (kernel as { ints: number[] }).ints[0]! > 3);
};

const pad = [
  [0, 2],
  [1, 0],
] as const;

it.each([
  { name: 'dy slides over x', x: [16, 5, 7, 3], w: [3, 3, 3, 16], options: {}, blocks: true },
  { name: 'x slides over dy', x: [16, 5, 7, 16], w: [3, 3, 16, 3], options: {}, blocks: true },
  { name: 'more channels in than out', x: [16, 5, 7, 32], w: [3, 3, 32, 16], options: {}, blocks: true },
  { name: 'two blocks of images', x: [32, 5, 7, 2], w: [3, 3, 2, 32], options: {}, blocks: true },
  { name: 'uneven padding, dy slides', x: [16, 5, 7, 3], w: [3, 2, 3, 16], options: { pad }, blocks: true },
  { name: 'uneven padding, x slides', x: [16, 5, 7, 16], w: [3, 2, 16, 3], options: { pad }, blocks: true },
  { name: 'stride 2', x: [16, 8, 9, 3], w: [3, 3, 3, 16], options: { strides: 2 }, blocks: true },
  {
    name: 'stride 2 where only x could slide',
    x: [16, 8, 9, 16],
    w: [3, 3, 16, 3],
    options: { strides: 2 },
    blocks: false,
  },
  { name: 'images that do not fill a block', x: [2, 5, 7, 16], w: [3, 3, 16, 16], options: {}, blocks: false },
  { name: 'one tap', x: [16, 5, 7, 16], w: [1, 1, 16, 16], options: {}, blocks: false },
])('weight gradient: $name', async ({ x, w, options, blocks }) => {
  const inputs = { x: floats(x), w: floats(w, 3) };
  expect(slidesOverBlocks(inputs, options)).toBe(blocks);
  await expectSame(({ x, w }) => conv2d(x!, w!, options), inputs, { tolerance: 1e-5 });
});
