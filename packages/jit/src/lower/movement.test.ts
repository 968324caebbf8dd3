import { attention, type Arrays, type Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { optimize } from '../passes/pipeline.js';
import { asProgram, bools, expectSame, floats, type Fn, withGradients } from '../testing.js';
import { trace } from '../trace/trace.js';
import { lowerGraph } from './lower-graph.js';

const x = floats([2, 3, 4]);

const moves: Record<string, Fn> = {
  reshape: ({ x }) => tf.reshape(x!, [4, -1]),
  'reshape to a scalar and back': ({ x }) => tf.reshape(tf.reshape(tf.sum(x!), [1, 1]), []),
  expandDims: ({ x }) => [tf.expandDims(x!, 0), tf.expandDims(x!, -1), tf.expandDims(x!, 2)],
  squeeze: ({ x }) => tf.squeeze(tf.expandDims(x!, 1)),
  transpose: ({ x }) => [tf.transpose(x!), tf.transpose(x!, [1, 0, 2]), tf.transpose(x!, [0, 1, 2])],
  concat: ({ x }) => [tf.concat([x!, tf.mul(x!, 2)], 1), tf.concat([x!, x!, x!], -1)],
  'concat of nothing': ({ x }) => tf.concat([tf.slice(x!, [0, 0, 0], [0, 3, 4]), tf.slice(x!, [0, 0, 0], [0, 3, 4])]),
  stack: ({ x }) => [0, 1, 3, -1, -2, -4].map((axis) => tf.stack([x!, tf.mul(x!, 2)], axis)),
  unstack: ({ x }) => [1, -1, -3].flatMap((axis) => tf.unstack(x!, axis)),
  'split into one piece': ({ x }) => tf.split(x!, 1, 1),
  'unstack into one piece': ({ x }) => tf.unstack(tf.expandDims(x!, 0)),
  split: ({ x }) => [...tf.split(x!, 2, 2), ...tf.split(x!, [1, 2], 1)],
  slice: ({ x }) => [tf.slice(x!, [0, 1, 1], [2, 2, -1]), tf.slice(x!, [1], [1])],
  stridedSlice: ({ x }) => tf.stridedSlice(x!, [0, 0, 3], [2, 3, 0], [1, 2, -1]),
  reverse: ({ x }) => [tf.reverse(x!, 1), tf.reverse(x!, [0, -1]), tf.reverse(x!)],
  tile: ({ x }) => tf.tile(x!, [2, 1, 3]),
  pad: ({ x }) =>
    tf.pad(
      x!,
      [
        [1, 0],
        [0, 2],
        [1, 1],
      ],
      0.5,
    ),
  broadcastTo: ({ x }) => tf.broadcastTo(tf.slice(x!, [0, 0, 0], [1, 3, 1]), [5, 3, 2]),
  clone: ({ x }) => tf.clone(x!),
};
// TF.js has no gradient for the first, and its gradients fail for lists of one tensor.
const withoutGradient = new Set([
  'concat of nothing',
  'stridedSlice',
  'split into one piece',
  'unstack into one piece',
]);
it.each(Object.entries(moves))('%s', async (name, fn) => {
  await expectSame(fn, { x }, { grad: !withoutGradient.has(name) });
});

it('moves images that convolutions left channels first', async () => {
  const inputs = { x: floats([2, 5, 6, 3]), w: floats([3, 3, 3, 4], 7), b: floats([4], 9) };
  const image = ({ x, w }: Parameters<Fn>[0]) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same');
  const fns: Fn[] = [
    (i) => tf.concat([image(i), i['x']!], 3),
    (i) => tf.concat([image(i), image(i)], 1),
    (i) => tf.split(image(i), [1, 3], 3),
    (i) => tf.slice(image(i), [0, 1, 2, 1], [1, 3, 4, 2]),
    (i) => tf.reverse(image(i), [1, 3]),
    (i) => tf.tile(image(i), [1, 2, 1, 3]),
    (i) =>
      tf.pad(image(i), [
        [0, 0],
        [1, 2],
        [0, 1],
        [0, 0],
      ]),
    (i) => tf.reshape(image(i), [2, 30, 4]),
    (i) => tf.transpose(image(i), [3, 0, 2, 1]),
    (i) => tf.add(image(i), i['b']!),
    (i) => tf.mul(image(i), tf.reshape(i['b']!, [1, 1, 1, 4])),
    (i) => tf.mul(image(i), tf.slice(i['x']!, [0, 0, 0, 0], [2, 5, 6, 1])),
    (i) => tf.mul(image(i), tf.slice(i['x']!, [0, 0, 0, 0], [2, 1, 6, 1])),
  ];
  for (const fn of fns) {
    const all: Fn = (i) => [fn(i)].flat().concat(i['b']!); // every input has a gradient
    await expectSame(all, inputs, { tolerance: 1e-5 });
  }
});

it('mirrorPad with reflection; the error for the symmetric mode', async () => {
  await expectSame(
    ({ x }) =>
      tf.mirrorPad(
        x!,
        [
          [0, 1],
          [1, 2],
          [0, 0],
        ],
        'reflect',
      ),
    { x },
    { grad: false },
  );
  const symmetric: Fn = ({ x }) =>
    tf.mirrorPad(
      x!,
      [
        [0, 1],
        [1, 1],
        [0, 0],
      ],
      'symmetric',
    );
  await expect(expectSame(symmetric, { x }, { grad: false })).rejects.toMatchObject({
    code: 'TRACE_FAILED',
    message: expect.stringMatching(/MirrorPad.*"symmetric".*"reflect"/),
  });
});

it('boolean tensors move too', async () => {
  const fn: Fn = ({ b }) => [tf.reshape(b!, [4]), tf.transpose(b!), tf.concat([b!, b!])];
  await expectSame(fn, { b: bools([1, 0, 0, 1], [2, 2]) }, { grad: false });
});

/** Permutations of the transposes in the model of a program. */
const permutations = (program: Program, inputs: Arrays) => {
  const { nodes } = lowerGraph(optimize(trace(program, {}, inputs)));
  return nodes.filter(({ op }) => op === 'Transpose').map(({ attrs }) => (attrs['perm'] as { ints: number[] }).ints);
};

it('a transpose of a transpose is a single one, or none', async () => {
  const merged: Fn = ({ x }) => tf.transpose(tf.transpose(x!, [1, 2, 0]), [1, 0, 2]);
  expect(permutations(asProgram(merged), { x })).toEqual([[2, 1, 0]]);
  await expectSame(merged, { x });
  const undone: Fn = ({ x }) => tf.neg(tf.transpose(tf.transpose(x!, [1, 2, 0]), [2, 0, 1]));
  expect(permutations(asProgram(undone), { x })).toEqual([]);
  await expectSame(undone, { x });
  const usedTwice: Fn = ({ x }) => {
    const first = tf.transpose(x!, [1, 2, 0]);
    return [tf.exp(first), tf.transpose(first, [1, 0, 2])];
  };
  expect(permutations(asProgram(usedTwice), { x })).toEqual([
    [1, 2, 0],
    [2, 1, 0],
  ]);
  await expectSame(usedTwice, { x });
});

it('a reshape of a reshape is a single one, or none', async () => {
  const reshapes = (fn: Fn) =>
    lowerGraph(optimize(trace(asProgram(fn), {}, { x }))).nodes.filter(({ op }) => op === 'Reshape').length;
  // `unstack` is lowered to reshapes, which are not in the traced graph.
  const row = (e: tf.Tensor) => tf.unstack(tf.reshape(e, [1, 24]))[0]!;
  const merged: Fn = ({ x }) => row(tf.exp(x!));
  expect(reshapes(merged)).toBe(1);
  await expectSame(merged, { x }, { grad: false }); // TF.js has no gradient of a list of one tensor
  const undone: Fn = ({ x }) => tf.reshape(row(tf.exp(x!)), [2, 3, 4]);
  expect(reshapes(undone)).toBe(0);
  await expectSame(undone, { x }, { grad: false });
  const usedTwice: Fn = ({ x }) => {
    const first = row(tf.exp(x!));
    return [tf.neg(first), tf.reshape(first, [4, 6])];
  };
  expect(reshapes(usedTwice)).toBe(2);
  await expectSame(usedTwice, { x }, { grad: false });
});

it("the transposes in attention's gradient are merged with those of the heads", async () => {
  const images = { q: floats([2, 5, 3, 4]), k: floats([2, 5, 3, 4], 2), v: floats([2, 5, 3, 4], 3) };
  const fn: Fn = ({ q, k, v }) => {
    const [qs, ks, vs] = [q!, k!, v!].map((x) => tf.transpose(x, [0, 2, 1, 3])) as [tf.Tensor, tf.Tensor, tf.Tensor];
    return tf.transpose(attention(qs, ks, vs), [0, 2, 1, 3]);
  };
  // From [image, token, head, width]: q, k, v, and dy to heads first, dy with tokens last, dq back, and dk and dv back
  // from tokens last. In addition, the scaled q within heads.
  expect(permutations(withGradients(fn), images).toSorted((a, b) => Number(a.join('')) - Number(b.join('')))).toEqual([
    [0, 1, 3, 2],
    ...Array<number[]>(5).fill([0, 2, 1, 3]),
    [0, 2, 3, 1],
    ...Array<number[]>(2).fill([0, 3, 1, 2]),
  ]);
  await expectSame(fn, images, { tolerance: 1e-5 });
});
