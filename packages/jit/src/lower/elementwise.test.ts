import type { Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import type { TensorSpecs } from '../graph/graph.js';
import type { LoweringTarget } from './context.js';
import { lowerGraph } from './lower-graph.js';
import { trace } from '../trace/trace.js';
import { bools, expectSame, floats, type Fn, given, ints } from '../testing.js';

const edges = given([-Infinity, -3.5, -1, -0.5, -1e-4, 0, 1e-4, 0.5, 1, 2.5, 3.5, Infinity, NaN]);

type Unary = (x: tf.Tensor) => tf.Tensor;
const everywhere: Record<string, Unary> = {
  abs: tf.abs,
  atan: tf.atan,
  ceil: tf.ceil,
  elu: tf.elu,
  exp: tf.exp,
  expm1: tf.expm1,
  floor: tf.floor,
  isFinite: tf.isFinite,
  isInf: tf.isInf,
  isNaN: tf.isNaN,
  leakyRelu: (x) => tf.leakyRelu(x, 0.1),
  neg: tf.neg,
  reciprocal: tf.reciprocal,
  round: tf.round,
  sign: tf.sign,
  square: tf.square,
  step: (x) => tf.step(x, 0.25),
  log: tf.log,
  log1p: tf.log1p,
  sqrt: tf.sqrt,
};
describe('unary kernels on edge values', () => {
  it.each(Object.entries(everywhere))('%s', async (_, fn) => {
    await expectSame(({ x }) => fn(x!), { x: edges }, { grad: false, tolerance: 1e-6 });
  });
});

it('the result of a convolution as an operand of rank 4 next to one of rank 5', async () => {
  const inputs = { x: floats([2, 3, 3, 3]), w: floats([3, 3, 3, 3], 2), b: floats([2, 1, 1, 1, 1], 3) };
  const fn: Fn = ({ x, w, b }) => tf.add(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same'), b!);
  await expectSame(fn, inputs);
});

const differentiable: Record<string, Unary> = {
  abs: tf.abs,
  atan: tf.atan,
  asinh: tf.asinh,
  cos: tf.cos,
  cosh: tf.cosh,
  elu: tf.elu,
  erf: tf.erf,
  exp: tf.exp,
  expm1: tf.expm1,
  leakyRelu: (x) => tf.leakyRelu(x, 0.1),
  neg: tf.neg,
  relu: tf.relu,
  relu6: (x) => tf.relu6(tf.mul(x, 5)),
  selu: tf.selu,
  sigmoid: tf.sigmoid,
  sin: tf.sin,
  sinh: tf.sinh,
  softplus: tf.softplus,
  square: tf.square,
  tanh: tf.tanh,
  tan: (x) => tf.tan(tf.mul(x, 0.5)),
  clip: (x) => tf.clipByValue(x, -1, 0.5),
  mean: (x) => tf.mean(x),
  acos: (x) => tf.acos(tf.mul(x, 0.4)),
  asin: (x) => tf.asin(tf.mul(x, 0.4)),
  atanh: (x) => tf.atanh(tf.mul(x, 0.4)),
  log: (x) => tf.log(tf.add(tf.abs(x), 0.5)),
  log1p: (x) => tf.log1p(tf.abs(x)),
  sqrt: (x) => tf.sqrt(tf.add(x, 3)),
  rsqrt: (x) => tf.rsqrt(tf.add(x, 3)),
  reciprocal: (x) => tf.reciprocal(tf.add(x, 3)),
  acosh: (x) => tf.acosh(tf.add(x, 4)),
};
describe('unary kernels and their gradients', () => {
  it.each(Object.entries(differentiable))('%s', async (_, fn) => {
    await expectSame(({ x }) => fn(x!), { x: floats([3, 5]) }, { tolerance: 5e-6 });
  });
});

type Binary = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;
const smooth: Record<string, Binary> = {
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  maximum: tf.maximum,
  minimum: tf.minimum,
  squaredDifference: tf.squaredDifference,
  div: (a, b) => tf.div(a, tf.add(tf.abs(b), 0.5)),
  pow: (a, b) => tf.pow(tf.add(tf.abs(a), 0.5), b),
  atan2: tf.atan2,
  mod: (a, b) => tf.mod(a, tf.add(tf.abs(b), 0.5)),
  prelu: (a, b) => tf.prelu(a, b),
};
const shapes: [number[], number[]][] = [
  [
    [2, 3, 4],
    [2, 3, 4],
  ],
  [[2, 3, 4], [4]],
  [
    [2, 3, 4],
    [2, 1, 4],
  ],
  [[2, 3, 4], []],
];
// TF.js's gradients of these do not broadcast; ONNX's PRelu only broadcasts a slope of lower rank.
const limited: Record<string, number> = { maximum: 1, minimum: 1, squaredDifference: 1, prelu: 2 };
describe.each(Object.entries(smooth))('binary %s and its gradients', (name, fn) => {
  it.each(shapes.slice(0, limited[name]))('[%j] with [%j]', async (a, b) => {
    await expectSame(({ a, b }) => fn(a!, b!), { a: floats(a, 1), b: floats(b, 2) }, { tolerance: 5e-6 });
  });
});

it('broadcasts both ways', async () => {
  await expectSame(({ a, b }) => tf.add(a!, b!), { a: floats([3, 1]), b: floats([2, 1, 4], 2) });
});

const logic: Record<string, Binary> = {
  equal: tf.equal,
  notEqual: tf.notEqual,
  less: tf.less,
  lessEqual: tf.lessEqual,
  greater: tf.greater,
  greaterEqual: tf.greaterEqual,
};
it.each(Object.entries(logic))('%s on edge values', async (_, fn) => {
  const inputs = { a: edges, b: given([...edges.data].toReversed()) };
  await expectSame(({ a, b }) => fn(a!, b!), inputs, { grad: false });
});

it('boolean kernels', async () => {
  const inputs = { a: bools([0, 0, 1, 1]), b: bools([0, 1, 0, 1]) };
  const fn: Fn = ({ a, b }) => [tf.logicalAnd(a!, b!), tf.logicalOr(a!, b!), tf.logicalNot(a!), tf.cast(a!, 'float32')];
  await expectSame(fn, inputs, { grad: false });
});

it('integer kernels: floor division, remainder and casts', async () => {
  const inputs = { a: ints([-7, -6, 5, 7, 2147483647]), b: ints([2, -4, 3, -2, 2]) };
  const fn: Fn = ({ a, b }) => [
    tf.floorDiv(a!, b!),
    tf.add(a!, 1),
    tf.mul(b!, b!),
    tf.sign(a!),
    tf.abs(b!),
    tf.cast(b!, 'float32'),
    tf.cast(b!, 'bool'),
    tf.cast(tf.div(tf.cast(b!, 'float32'), 3), 'int32'),
    tf.maximum(a!, b!),
  ];
  await expectSame(fn, inputs, { grad: false });
});

it('floorDiv and mod of floats', async () => {
  const inputs = { a: given([-7.5, -6, 5.25, 7]), b: given([2, -4, 1.5, -2]) };
  await expectSame(({ a, b }) => [tf.floorDiv(a!, b!), tf.mod(a!, b!)], inputs, { grad: false });
});

it('where, addN, and constant operands only', async () => {
  const inputs = { a: floats([2, 3]), b: floats([2, 3], 5) };
  const choice = { ...inputs, c: bools([1, 0, 0, 1, 1, 0], [2, 3]) };
  await expectSame(({ a, b, c }) => tf.where(c!, tf.mul(a!, 2), b!), choice);
  await expectSame(({ a, b }) => tf.addN([a!, b!, a!]), inputs);
  await expectSame(({ a }) => tf.add(tf.mul(tf.ones([4, 2, 3]), 3), tf.mul(a!, 0)), { a: floats([2, 3]) });
  await expectSame(() => [tf.atan2(tf.ones([2]), tf.fill([2], 2)), tf.scalar(3)], {}, { grad: false });
});

it('distinguishes constants that have the same JSON', async () => {
  const fn: Fn = ({ x }) => [
    tf.add(x!, tf.scalar(Infinity)),
    tf.add(x!, tf.scalar(-Infinity)),
    tf.div(x!, tf.scalar(0)),
    tf.div(x!, tf.scalar(-0)),
    tf.add(x!, tf.tensor([NaN, 1])),
    tf.add(x!, tf.tensor([Infinity, 1])),
    tf.pad(x!, [[0, 1]], Infinity),
    tf.pad(x!, [[0, 1]], -Infinity),
  ];
  await expectSame(fn, { x: given([1, 2]) }, { grad: false });
});

describe('gray images and a single number', () => {
  const gray = { x: floats([2, 3, 4, 1]), y: floats([2, 3, 4, 1], 5) };
  const numbers = {
    'a scalar': floats([], 2),
    'a vector of one element': floats([1], 2),
    'rank 4': floats([1, 1, 1, 1], 2),
    'rank 5': floats([1, 1, 1, 1, 1], 2),
  };
  it.each(Object.entries(numbers))('%s', async (_, n) => {
    const fn: Fn = ({ x, y, n }) => [tf.add(x!, n!), tf.sub(n!, x!), tf.mul(tf.add(tf.mul(x!, n!), y!), n!)];
    const chosen: Fn = ({ x, y, n }) => [
      tf.maximum(x!, n!),
      tf.where(tf.greater(x!, n!), tf.mul(y!, n!), tf.add(x!, n!)),
    ];
    // TF.js has no gradient of a comparison, of a broadcast maximum, nor of a broadcast to rank 5.
    await expectSame(fn, { ...gray, n }, { grad: n.shape.length < 5 });
    await expectSame(chosen, { ...gray, n }, { grad: false });
  });

  it('constants, in any layout', async () => {
    const fn: Fn = ({ x, w, y }) => [
      tf.mul(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same'), 0.5),
      tf.add(tf.div(tf.onesLike(y!), tf.add(tf.square(y!), 2)), tf.mul(tf.zerosLike(y!), 3)),
      tf.maximum(tf.mean(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same'), [1, 2], true), 0.1),
    ];
    await expectSame(fn, { ...gray, w: floats([3, 3, 1, 2], 3) });
  });

  it('are vectors for this process, whose runtime would call a kernel for each element, and as written elsewhere', () => {
    const program: Program = (_, { x, y }) => ({ outputs: { z: tf.add(tf.mul(tf.add(tf.mul(x!, 2), y!), 3), 1) } });
    const ops = (specs: TensorSpecs, target: LoweringTarget) =>
      lowerGraph(trace(program, {}, specs), { target }).nodes.map(({ op }) => op);
    expect(ops(gray, 'cpu')).toEqual(['Reshape', 'Mul', 'Reshape', 'Add', 'Reshape', 'Mul', 'Add', 'Reshape']);
    for (const target of ['file', 'gpu'] as const) expect(ops(gray, target)).toEqual(['Mul', 'Add', 'Mul', 'Add']);
    const rgb = { x: floats([2, 3, 4, 3]), y: floats([2, 3, 4, 3]) };
    expect(ops(rgb, 'cpu')).toEqual(['Mul', 'Add', 'Mul', 'Add']);
  });
});

it('mod keeps all digits of small dividends, and integers do not overflow', async () => {
  const inputs = {
    a: given([7.3, 0.1, -3.5, 1000, 1, -1, 5, -5, 6, -6]),
    b: given([1e6, 1000, -1e10, 1e10, Infinity, -Infinity, 3, 3, -3, -3]),
    i: ints([2_000_000_000, -7, 7, -7, 6]),
    j: ints([2_100_000_000, 3, -3, -3, -3]),
  };
  await expectSame(({ a, b, i, j }) => [tf.mod(a!, b!), tf.mod(i!, j!)], inputs, { grad: false, tolerance: 1e-7 });
});

it('sigmoid has its tail, whose logarithm is finite', async () => {
  const inputs = { x: given([-80, -40, -20, -18, -17, -14, -8, -7.99, 0, 8, 20]) };
  await expectSame(({ x }) => tf.log(tf.sigmoid(x!)), inputs, { tolerance: 1e-5 });
});

it('integers are clipped to bounds beyond their range, also after relu', async () => {
  const fn: Fn = ({ x }) => [
    tf.clipByValue(x!, 0, Infinity),
    tf.clipByValue(x!, -Infinity, 3),
    tf.clipByValue(x!, 0, 3e9),
    tf.clipByValue(x!, -1.5, 2.7),
    tf.clipByValue(tf.relu(x!), 0, 5),
  ];
  await expectSame(fn, { x: ints([-7, 1, 7]) }, { grad: false });
});

it('booleans are selected', async () => {
  const inputs = { c: bools([1, 0, 1, 0], [2, 2]), a: bools([1, 1, 0, 0], [2, 2]), b: bools([0, 1], [2]) };
  await expectSame(({ c, a, b }) => tf.where(c!, a!, tf.broadcastTo(b!, [2, 2])), inputs, { grad: false });
});
