/** The graphs of the target `gpu`: their structure everywhere, their values on a device if there is one. */
import { type Arrays, conv2d, type Engine, type Program, remat, silu, type Tensors } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openOnnxEngine } from '../engine.js';
import { EngineError } from '../errors.js';
import { runPipeline } from '../passes/pipeline.js';
import { openDeviceRuntime } from '../runtime/c-api/device.js';
import { skipLoudly } from '../runtime/testing/index.js';
import { asProgram, closeTo, type Fn, floats, given, ints, runCpu, runOnnx, withGradients } from '../testing.js';
import { trace } from '../trace/trace.js';
import type { LoweringTarget } from './context.js';
import { lowerGraph } from './lower-graph.js';

const NaNs = given([NaN, Infinity, -Infinity, 0, 3.4e38, -1, 1e-40, 2]);
const image = (size: number) => ({ x: floats([2, size, size, 3]), w: floats([3, 3, 3, 4], 2) });
const point = { x: floats([2, 5, 5, 3]), w: floats([1, 1, 3, 4], 2) };
const whole = { x: floats([2, 3, 3, 3]), w: floats([3, 3, 3, 4], 2) };
const bottomRight = [
  [0, 1],
  [0, 1],
] as const;
const twice: Fn = ({ x, w }) => {
  const block = ([v]: tf.Tensor[], { filter }: Tensors) => silu(conv2d(silu(tf.mul(v!, 1.1)), filter!));
  const filters = { filter: w! };
  return tf.mean(tf.square(remat(block, [remat(block, [x!], filters)], filters)));
};

interface Case {
  readonly name: string;
  readonly fn: Fn;
  readonly inputs: Arrays;
  /** Lower its gradients instead. */
  readonly grad?: boolean;
  /** Operators that the lowering for `cpu` has and the one for `gpu` must not have. */
  readonly without: readonly string[];
  readonly tolerance?: number;
}

/** One or more cases per rewrite; `without` makes each fail if its rewrite is missing. */
const cases: readonly Case[] = [
  {
    name: 'split into 8',
    fn: ({ x }) => tf.split(x!, [1, 2, 3, 4, 5, 6, 7, 8]),
    inputs: { x: floats([36]) },
    without: ['Split'],
  },
  { name: 'split into 20', fn: ({ x }) => tf.split(x!, 20, 1), inputs: { x: floats([3, 40]) }, without: ['Split'] },
  {
    name: 'the use of a split',
    fn: ({ x }) => tf.addN(tf.split(x!, 13).map((part, i) => tf.mul(part, i))),
    inputs: { x: floats([26]) },
    without: ['Split'],
  },
  {
    name: 'unstack of 9',
    fn: ({ x }) => tf.unstack(x!, 0),
    inputs: { x: floats([9, 4]) },
    without: ['Split'],
  },
  ...['first', 'second'].map((larger) => ({
    name: `a transposed product of matrices, the ${larger} of which is a batch`,
    fn: ({ x, w }: Tensors) => (larger === 'first' ? tf.matMul(w!, x!, true, true) : tf.matMul(x!, w!, true, true)),
    inputs: { x: floats([3, 4]), w: floats([2, 4, 3], 2) },
    without: ['FusedMatMul'],
  })),
  {
    name: 'sums by segment',
    fn: ({ x, i }) => tf.unsortedSegmentSum(x!, i as tf.Tensor1D, 3),
    inputs: { x: floats([5, 2]), i: ints([2, 0, 2, -1, 3]) },
    without: ['ScatterElements'],
  },
  {
    name: 'a 1x1 convolution padded at bottom and right',
    fn: ({ x, w }) => conv2d(x!, w!, { pad: bottomRight }),
    inputs: point,
    without: ['Conv with pads'],
  },
  {
    name: 'a convolution as large as its image, padded at bottom and right',
    fn: ({ x, w }) => conv2d(x!, w!, { pad: bottomRight }),
    inputs: whole,
    without: ['Conv with pads'],
  },
  {
    name: 'the input gradient of a convolution with stride 2',
    fn: ({ x, w }) => conv2d(x!, w!, { strides: 2, pad: bottomRight }),
    inputs: image(6),
    grad: true,
    without: ['Concat of phases'],
  },
  {
    name: 'the input gradient of a convolution with stride 2 and symmetric padding',
    fn: ({ x, w }) => conv2d(x!, w!, { strides: 2, pad: 1 }),
    inputs: image(8),
    grad: true,
    without: ['Concat of phases'],
  },
  {
    name: 'a weight gradient, summed over two images',
    fn: ({ x, w }) => conv2d(x!, w!, { pad: 1 }),
    inputs: { x: floats([2, 3, 3, 16]), w: floats([3, 3, 16, 24], 2) },
    grad: true,
    without: ['MatMul by ones'],
  },
  {
    name: 'a weight gradient with stride 2, summed over 62 images in two stages',
    fn: ({ x, w }) => conv2d(x!, w!, { strides: 2, pad: 1 }),
    inputs: { x: floats([62, 2, 2, 8]), w: floats([3, 3, 8, 16], 2) },
    grad: true,
    without: ['MatMul by ones'],
    tolerance: 1e-4,
  },
  {
    name: 'recomputation',
    fn: twice,
    inputs: { x: floats([2, 4, 4, 3]), w: floats([3, 3, 3, 3], 2) },
    grad: true,
    without: ['Concat with nothing'],
    tolerance: 1e-4,
  },
  { name: 'isFinite', fn: ({ x }) => tf.isFinite(x!), inputs: { x: NaNs }, without: ['IsInf', 'IsNaN', 'Or'] },
  { name: 'isInf', fn: ({ x }) => tf.isInf(x!), inputs: { x: NaNs }, without: ['IsInf'] },
  { name: 'isNaN', fn: ({ x }) => tf.isNaN(x!), inputs: { x: NaNs }, without: ['IsNaN'] },
  {
    name: 'logicalOr',
    fn: ({ x }) => tf.logicalOr(tf.greater(x!, 0), tf.less(x!, -1)),
    inputs: { x: floats([9]) },
    without: ['Or'],
  },
  { name: 'step', fn: ({ x }) => tf.step(x!), inputs: { x: given([-1, 0, 2]) }, without: ['IsNaN'] },
  {
    name: 'a sum of squares',
    fn: ({ x }) => tf.sum(tf.square(x!)),
    inputs: { x: floats([20_011]) },
    without: ['FusedMatMul', 'ReduceSum to one number'],
  },
  { name: 'silu', fn: ({ x }) => silu(x!), inputs: { x: floats([2, 3]) }, without: ['QuickGelu'] },
  {
    name: 'a product of transposed matrices',
    fn: ({ a, b }) => tf.matMul(a!, b!, true, true),
    inputs: { a: floats([3, 2]), b: floats([4, 3], 2) },
    without: ['FusedMatMul'],
  },
];

/** Names of operators, and of the patterns in `without`. */
function patterns(program: Program, inputs: Arrays, target: LoweringTarget): Set<string> {
  const graph = trace(program, {}, inputs);
  const { main } = runPipeline(graph, { kind: target });
  const { nodes, initializers } = lowerGraph(main, { target });
  const found = new Set(nodes.map(({ op }) => op));
  const values = (name: string): number[] => {
    const constant = initializers.find((initializer) => initializer.name === name);
    return constant?.type === 'int64' ? Array.from(new BigInt64Array(constant.raw.slice().buffer), Number) : [];
  };
  const isOnes = (name: string): boolean => {
    const constant = initializers.find((initializer) => initializer.name === name);
    return constant?.type === 'float32' && new Float32Array(constant.raw.slice().buffer).every((value) => value === 1);
  };
  for (const { op, attrs, inputs: operands, name } of nodes) {
    const pads = attrs['pads'];
    if (op === 'Conv' && pads !== undefined && 'ints' in pads && pads.ints.some((pad) => pad > 0)) {
      found.add('Conv with pads');
    }
    if (op === 'Concat' && /GradInput/.test(name)) found.add('Concat of phases');
    if (op === 'Concat' && /OptimizationBarrier/.test(name)) found.add('Concat with nothing');
    const [x, axes] = operands;
    if (op === 'MatMul' && isOnes(x!)) found.add('MatMul by ones');
    if (
      op === 'ReduceSum' &&
      values(axes!).join() === '0' &&
      nodes.every(({ outputs, op: made }) => outputs[0] !== x || made !== 'ReduceSum')
    ) {
      found.add('ReduceSum to one number');
    }
  }
  return found;
}

const programOf = ({ fn, grad }: Case): Program => (grad === true ? withGradients(fn) : asProgram(fn));

describe.each(cases)('$name', (one) => {
  it('is lowered for a device without what devices lack', () => {
    const on = (target: LoweringTarget) => patterns(programOf(one), one.inputs, target);
    expect(one.without.filter((pattern) => on('gpu').has(pattern))).toEqual([]);
    // Otherwise the case would show nothing.
    expect(one.without.some((pattern) => on('cpu').has(pattern) || on('file').has(pattern))).toBe(true);
  });
});

describe.each(['cpu', 'webgpu'] as const)('on %s, through the memory of a device', (device) => {
  let engine: Engine | undefined;
  let reason = '';
  beforeAll(async () => {
    try {
      engine = await openOnnxEngine({ device, threads: 1, runtime: await openDeviceRuntime(device) });
    } catch (error) {
      if (device === 'cpu') throw error;
      reason = (error as Error).message;
    }
  });
  afterAll(() => engine?.dispose());

  it.for(cases)('$name', async (one, { skip }) => {
    if (engine === undefined) return skipLoudly(skip, reason);
    const program = programOf(one);
    expect(await runOnnx(program, one.inputs, engine)).toBeAllClose(
      await runCpu(program, one.inputs),
      closeTo(one.tolerance ?? 2e-5),
    );
  });

  it('names the operator that the device lacks', async ({ skip }) => {
    if (engine === undefined) return skipLoudly(skip, reason);
    const program: Program = (_, { x }) => {
      const [values] = tf.split(tf.mul(x!, 2), 2);
      return { outputs: { y: tf.add(tf.round(values!), 1), i: tf.argMax(x!) } };
    };
    const run = runOnnx(program, { x: floats([8]), unused: ints([1]) }, engine);
    if (device === 'cpu') return void (await run);
    await expect(run).rejects.toThrowWith({
      type: EngineError,
      code: 'DEVICE_UNSUPPORTED',
      contains: ['Round', 'program'],
    });
  });
});
