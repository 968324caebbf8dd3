import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { conv2d, type DmKernel, dmKernels, layerNorm, silu } from './index.js';
import { caseValues, opCases, opCaseInputs, opCaseProgram } from './testing/op-cases.js';

/** A backend with all of our kernels. It records each call and returns zeros of the shapes in kernels.ts. */
const NOTING = 'noting';
interface Call {
  readonly kernel: string;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly attrs: Readonly<Record<string, unknown>>;
}
let calls: Call[] = [];

function outputShapes(kernel: DmKernel, shape: Call['inputs'], attrs: Call['attrs']): (readonly number[])[] {
  const { x, scale, q, k, v, dy, filter } = shape as Record<string, number[]>;
  switch (kernel) {
    case 'DmGroupNorm': {
      const statistics = [x![0]!, attrs['groups'] as number];
      return [x!, statistics, statistics];
    }
    case 'DmGroupNormGrad':
      return [x!, scale!, scale!];
    case 'DmLayerNorm':
      return [x!, x!.slice(0, -1), x!.slice(0, -1)];
    case 'DmLayerNormGrad':
      return scale ? [x!, scale, scale] : [x!];
    case 'DmSilu':
    case 'DmSiluGrad':
    case 'DmGelu':
    case 'DmGeluGrad':
    case 'DmOptimizationBarrier':
      return [x!];
    case 'DmConv2D': {
      const { strides, pad } = attrs as { strides: number[]; pad: number[][] };
      const out = (i: number) => Math.floor((x![i + 1]! + pad[i]![0]! + pad[i]![1]! - filter![i]!) / strides[i]!) + 1;
      return [[x![0]!, out(0), out(1), filter![3]!]];
    }
    case 'DmConv2DGradInput':
      return [attrs['inputShape'] as number[]];
    case 'DmConv2DGradFilter':
      return [attrs['filterShape'] as number[]];
    case 'DmAttention':
      return [q!];
    case 'DmAttentionGrad':
      return [q!, k!, v!];
    case 'DmUpsampleNearest': {
      const factor = attrs['factor'] as number;
      return [[x![0]!, x![1]! * factor, x![2]! * factor, x![3]!]];
    }
    case 'DmUpsampleNearestGrad': {
      const factor = attrs['factor'] as number;
      return [[dy![0]!, dy![1]! / factor, dy![2]! / factor, dy![3]!]];
    }
  }
  throw new Error(`no such kernel: ${String(kernel)}`);
}

beforeAll(async () => {
  await tf.setBackend('cpu');
  const cpu = tf.backend();
  tf.registerBackend(NOTING, () => cpu, 0);
  for (const kernel of tf.getKernelsForBackend('cpu')) tf.registerKernel({ ...kernel, backendName: NOTING });
  for (const kernelName of dmKernels) {
    tf.registerKernel({
      kernelName,
      backendName: NOTING,
      kernelFunc: ({ inputs, attrs }) => {
        const shapes = Object.fromEntries(Object.entries(inputs).map(([name, info]) => [name, info!.shape]));
        calls.push({ kernel: kernelName, inputs: shapes, attrs: attrs ?? {} });
        const outputs = outputShapes(kernelName, shapes, attrs ?? {}).map((shape) => tf.zeros([...shape]));
        return outputs.length === 1 ? outputs[0]! : outputs;
      },
    });
  }
});

afterAll(() => tf.removeBackend(NOTING));

/** The kernels of ours that `body` runs on a backend that has them. */
async function emitted(body: () => void): Promise<Call[]> {
  calls = [];
  await tf.setBackend(NOTING);
  tf.tidy(body);
  await tf.setBackend('cpu');
  return calls;
}

const tensor = (shape: number[]) => tf.tensor(caseValues({ shape }, 1).data, shape);

test.each(opCases)(
  '$name: one forward kernel and its gradient kernels, with the shapes in kernels.ts',
  async (opCase) => {
    const outputs: Record<string, number[]> = {};
    const noted = await emitted(() => {
      const tensors = Object.fromEntries(
        Object.entries(opCaseInputs(opCase)).map(([name, { data, shape }]) => [name, tf.tensor(data, [...shape])]),
      );
      const result = opCaseProgram(opCase)({}, tensors);
      for (const [name, { shape }] of Object.entries(result.outputs)) outputs[name] = shape;
    });
    const kernel = `Dm${opCase.op === 'conv2d' ? 'Conv2D' : opCase.op[0]!.toUpperCase() + opCase.op.slice(1)}`;
    const backward = opCase.op === 'conv2d' ? [`${kernel}GradInput`, `${kernel}GradFilter`] : [`${kernel}Grad`];
    expect(noted.map((call) => call.kernel)).toEqual([kernel, ...backward]);
    for (const { attrs } of noted) expect(JSON.parse(JSON.stringify(attrs))).toEqual(attrs);
    const expected = Object.entries(opCase.inputs).map(([name, { shape }]) => [`d${name}`, shape] as const);
    expect(outputs).toEqual({ y: opCase.y, ...Object.fromEntries(expected) });
  },
);

test('inputs and attributes of the kernels of conv2d', async () => {
  const noted = await emitted(() => {
    const f = (x: tf.Tensor, filter: tf.Tensor, bias: tf.Tensor) => conv2d(x, filter, { bias, strides: 2 });
    tf.grads(f)([tensor([1, 6, 8, 2]), tensor([3, 5, 2, 4]), tensor([4])]);
  });
  const shared = {
    strides: [2, 2],
    pad: [
      [1, 1],
      [2, 2],
    ],
  };
  expect(noted).toEqual([
    { kernel: 'DmConv2D', inputs: { x: [1, 6, 8, 2], filter: [3, 5, 2, 4], bias: [4] }, attrs: shared },
    {
      kernel: 'DmConv2DGradInput',
      inputs: { dy: [1, 3, 4, 4], filter: [3, 5, 2, 4] },
      attrs: { ...shared, inputShape: [1, 6, 8, 2] },
    },
    {
      kernel: 'DmConv2DGradFilter',
      inputs: { x: [1, 6, 8, 2], dy: [1, 3, 4, 4] },
      attrs: { ...shared, filterShape: [3, 5, 2, 4] },
    },
  ]);
});

test('an optional input that is not given is an absent key', async () => {
  const noted = await emitted(() => {
    tf.grad((x: tf.Tensor) => layerNorm(x))(tensor([2, 3, 8]));
    conv2d(tensor([1, 4, 4, 2]), tensor([3, 3, 2, 2]));
  });
  expect(noted.map(({ kernel, inputs }) => [kernel, ...Object.keys(inputs)])).toEqual([
    ['DmLayerNorm', 'x'],
    ['DmLayerNormGrad', 'dy', 'x', 'mean', 'invStd'],
    ['DmConv2D', 'x', 'filter'],
  ]);
});

test('second derivatives are refused, because saved tensors are not on the tape', () => {
  const slope = tf.grad((x: tf.Tensor) => silu(x));
  expect(() => tf.grad((x: tf.Tensor) => tf.sum(slope(x)))(tf.ones([3]))).toThrowWith({
    type: Error,
    contains: ['silu', 'second derivatives'],
  });
});

test('a gradient frees its intermediate tensors', () => {
  const [x, filter] = [tensor([2, 6, 6, 3]), tensor([3, 3, 3, 4])];
  const before = tf.memory().numTensors;
  tf.dispose(tf.grads((a: tf.Tensor, b: tf.Tensor) => silu(conv2d(a, b, { strides: 2 })))([x, filter]));
  tf.dispose(conv2d(x, filter));
  expect(tf.memory().numTensors).toBe(before);
});
