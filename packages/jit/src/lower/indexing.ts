import { util } from '@tensorflow/tfjs-core';
import type { DType } from '@dm/ops';
import { input, type KernelCall } from '../graph/graph.js';
import { type Kernel } from './context.js';

const gather: Kernel = {
  infer: (call) => {
    const x = input(call, 'x');
    const indices = input(call, 'indices');
    const axis = gatherAxis(call);
    return [{ shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], dtype: x.dtype }];
  },
  lower(node, ctx) {
    const operands = [ctx.get(input(node, 'x')), ctx.get(input(node, 'indices'))];
    ctx.set(node.outputs[0]!, ctx.onnx.op('Gather', operands, { attrs: { axis: { int: gatherAxis(node) } } }));
  },
};

function gatherAxis(call: KernelCall): number {
  const { axis, batchDims } = call.attrs as { axis: number; batchDims?: number };
  if (batchDims !== undefined && batchDims !== 0)
    throw new Error(`GatherV2 with batchDims ${batchDims} has no lowering`);
  return util.parseAxisParam(axis, [...input(call, 'x').shape])[0]!;
}

/** Gradient of gather: rows of x added up by segment. */
const unsortedSegmentSum: Kernel = {
  infer: (call) => {
    const x = input(call, 'x');
    const ids = input(call, 'segmentIds');
    return [{ shape: [call.attrs['numSegments'] as number, ...x.shape.slice(ids.shape.length)], dtype: x.dtype }];
  },
  lower(node, ctx) {
    const ids = input(node, 'segmentIds');
    const output = node.outputs[0]!;
    const zeros = ctx.onnx.op('Expand', [ctx.scalar(0, output), ctx.onnx.ints(output.shape)]);
    const wide = ctx.onnx.op('Cast', [ctx.get(ids)], { attrs: { to: { int: 7 } } });
    const indices = ctx.reshape(wide, [...ids.shape, 1]);
    const attrs = { reduction: { string: 'add' } };
    ctx.set(output, ctx.onnx.op('ScatterND', [zeros, indices, ctx.get(input(node, 'x'))], { attrs }));
  },
};

const oneHot: Kernel = {
  infer: (call) => [
    {
      shape: [...input(call, 'indices').shape, call.attrs['depth'] as number],
      dtype: (call.attrs['dtype'] as DType | undefined) ?? 'float32',
    },
  ],
  lower(node, ctx) {
    const indices = input(node, 'indices');
    const output = node.outputs[0]!;
    const { depth, onValue, offValue } = node.attrs as { depth: number; onValue: number; offValue: number };
    const column = ctx.reshape(ctx.get(indices), [...indices.shape, 1]);
    const classes = ctx.onnx.constant(
      'int32',
      [depth],
      Int32Array.from({ length: depth }, (_, i) => i),
    );
    const hit = ctx.onnx.op('Equal', [column, classes]);
    ctx.set(output, ctx.onnx.op('Where', [hit, ctx.scalar(onValue, output), ctx.scalar(offValue, output)]));
  },
};

export const indexingKernels: Readonly<Record<string, Kernel>> = {
  GatherV2: gather,
  OneHot: oneHot,
  UnsortedSegmentSum: unsortedSegmentSum,
};
