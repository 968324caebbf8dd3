import { conv2d } from '@dm/ops';
import { expect, it } from 'vitest';
import { blockedConvolutions } from './blocked.js';
import { lowerGraph } from './lower-graph.js';
import { openOnnxEngine } from '../engine.js';
import { closeTo, expectSame, floats, runOnnx, withGradients } from '../testing.js';
import { trace } from '../trace/trace.js';

/** Kernel sizes of the convolutions of blocks that only the weight gradient of such an image has. */
const slidingKernels = (inputs: Parameters<typeof trace>[2], options: object): number[][] => {
  const program = withGradients(({ x, w }) => conv2d(x!, w!, options));
  const { nodes } = lowerGraph(trace(program, {}, inputs), { blocked: blockedConvolutions(16) });
  const kernels = nodes
    .filter(({ op, domain }) => op === 'Conv' && domain !== '')
    .map(({ attrs }) => (attrs['kernel_shape'] as { ints: number[] }).ints);
  return kernels.filter(([, width]) => width! > 3);
};

const pad = [
  [0, 2],
  [1, 0],
] as const;

const above = [
  [3, 0],
  [1, 1],
] as const;
const below = [
  [0, 3],
  [1, 1],
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
  {
    name: 'padding above as high as the filter',
    x: [16, 5, 7, 3],
    w: [3, 3, 3, 16],
    options: { pad: above },
    blocks: false,
  },
  {
    name: 'padding below as high as the filter',
    x: [16, 5, 7, 3],
    w: [3, 3, 3, 16],
    options: { pad: below },
    blocks: false,
  },
  { name: 'filter rows without a row of the image', x: [16, 1, 5, 3], w: [3, 3, 3, 16], options: {}, blocks: true },
  { name: 'one tap', x: [16, 5, 7, 16], w: [1, 1, 16, 16], options: {}, blocks: false },
])('weight gradient: $name', async ({ x, w, options, blocks }) => {
  const inputs = { x: floats(x), w: floats(w, 3) };
  expect(slidingKernels(inputs, options)).toHaveLength(blocks ? 1 : 0);
  await expectSame(({ x, w }) => conv2d(x!, w!, options), inputs, { tolerance: 1e-5 });
});

// A filter of 16 images and 16 channels fits into the cache up to 1024 pixels.
it.each([
  { name: '1024 pixels', x: [16, 32, 32, 1], w: [3, 3, 1, 16], options: {}, parts: 1, rows: 32 },
  { name: 'dy slides over x', x: [16, 36, 30, 2], w: [3, 3, 2, 16], options: {}, parts: 2, rows: 18 },
  { name: 'x slides over dy', x: [16, 36, 30, 16], w: [3, 3, 16, 2], options: {}, parts: 2, rows: 18 },
  { name: 'uneven padding', x: [16, 38, 29, 2], w: [3, 2, 2, 16], options: { pad }, parts: 2, rows: 19 },
  { name: 'no padding', x: [16, 40, 30, 1], w: [3, 3, 1, 16], options: { pad: 0 }, parts: 2, rows: 19 },
  { name: 'two blocks of images that fit', x: [32, 22, 23, 1], w: [3, 3, 1, 16], options: {}, parts: 1, rows: 22 },
  { name: 'two blocks of images', x: [32, 26, 21, 1], w: [3, 3, 1, 16], options: {}, parts: 2, rows: 26 },
  { name: 'three, x slides', x: [48, 26, 21, 16], w: [3, 3, 16, 1], options: {}, parts: 3, rows: 26 },
  { name: 'two, each in strips', x: [32, 36, 30, 2], w: [3, 2, 2, 16], options: { pad }, parts: 4, rows: 18 },
  { name: 'stride 2', x: [16, 72, 60, 1], w: [3, 3, 1, 16], options: { strides: 2 }, parts: 2, rows: 18 },
  {
    name: 'two, each in strips, x slides',
    x: [32, 36, 30, 16],
    w: [3, 2, 16, 2],
    options: { pad },
    parts: 4,
    rows: 18,
  },
  { name: 'groups of two blocks', x: [64, 22, 23, 1], w: [3, 3, 1, 16], options: {}, parts: 2, rows: 22 },
  { name: 'groups of two blocks, x slides', x: [64, 22, 23, 16], w: [3, 3, 16, 1], options: {}, parts: 2, rows: 22 },
  {
    name: 'stride 2, with rows left over',
    x: [16, 74, 61, 1],
    w: [3, 3, 1, 16],
    options: { strides: 2, pad: 0 },
    parts: 2,
    rows: 18,
  },
  { name: 'two, at stride 2', x: [32, 72, 60, 1], w: [3, 3, 1, 16], options: { strides: 2 }, parts: 4, rows: 18 },
  { name: 'two, of a prime height', x: [32, 37, 28, 1], w: [3, 3, 1, 16], options: {}, parts: 2, rows: 37 },
  { name: 'a prime height', x: [16, 37, 28, 1], w: [3, 3, 1, 16], options: {}, parts: 1, rows: 37 },
] as const)('weight gradient of large images in parts: $name', async ({ x, w, options, parts, rows }) => {
  const inputs = { x: floats(x), w: floats(w, 3) };
  const kernels = slidingKernels(inputs, options);
  expect(kernels).toHaveLength(parts);
  expect(new Set(kernels.map(([height]) => height))).toEqual(new Set([rows]));
  const program = withGradients(({ x, w }) => conv2d(x!, w!, options));
  // The reference is the plain convolution, which is compared with TF.js in conv2d.test.ts: TF.js is slow at this size.
  const engines = [
    await openOnnxEngine({ threads: 1 }),
    await openOnnxEngine({ threads: 1, convolutions: 'plain' }),
  ] as const;
  const [blocked, plain] = [await runOnnx(program, inputs, engines[0]), await runOnnx(program, inputs, engines[1])];
  expect(blocked).toBeAllClose(plain, closeTo(1e-5));
  for (const engine of engines) await engine.dispose();
});
