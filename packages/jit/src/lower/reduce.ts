import { util } from '@tensorflow/tfjs-core';
import type { DType } from '@dm/ops';
import { NCHW_AXIS, type Kernel, type LoweringContext } from './context.js';
import { type KernelCall, type Node, specOf } from '../graph/graph.js';
import { isNan } from './elementwise.js';

function axesOf(call: KernelCall): number[] {
  const { axis, dim, reductionIndices } = call.attrs as {
    axis?: number | number[];
    dim?: number;
    reductionIndices?: number | number[];
  };
  return util.parseAxisParam(axis ?? reductionIndices ?? dim!, [...call.inputs[0]!.shape]);
}

/**
 * The axes to reduce in the current layout. NCHW works if the remaining axes have the same order in it, that is, unless
 * the rank shrinks and channels remain together with height or width.
 */
function plan(node: Node, ctx: LoweringContext): { operand: string; axes: number[]; layout: 'NHWC' | 'NCHW' } {
  const x = node.inputs[0]!;
  const axes = axesOf(node);
  const keepDims = node.attrs['keepDims'] === true;
  const mixes = !axes.includes(3) && (!axes.includes(1) || !axes.includes(2));
  if (ctx.layoutOf(x) === 'NCHW' && (keepDims || !mixes)) {
    return { operand: ctx.get(x, 'NCHW'), axes: axes.map((a) => NCHW_AXIS[a]!), layout: keepDims ? 'NCHW' : 'NHWC' };
  }
  return { operand: ctx.get(x), axes, layout: 'NHWC' };
}

function reduction(op: string, dtype?: DType): Kernel {
  return {
    infer: (call) => {
      const x = call.inputs[0]!;
      const axes = axesOf(call);
      const keep = call.attrs['keepDims'] === true;
      const shape = keep
        ? x.shape.map((d, i) => (axes.includes(i) ? 1 : d))
        : x.shape.filter((_, i) => !axes.includes(i));
      return [{ shape, dtype: dtype ?? x.dtype }];
    },
    lower(node, ctx) {
      const output = node.outputs[0]!;
      const { operand, axes, layout } = plan(node, ctx);
      const x = node.inputs[0]!;
      // ONNX has no operators for All and Any: they are the minimum and maximum of 0 and 1. Mean is defined for
      // floats.
      const number = x.dtype === 'bool' ? ctx.cast(operand, 'int32') : operand;
      const source = dtype === 'float32' && x.dtype !== 'float32' ? ctx.cast(number, 'float32') : number;
      const attrs = { keepdims: { int: node.attrs['keepDims'] === true ? 1 : 0 } };
      const reduce = (name: string, by = op) => ctx.onnx.op(by, [name, ctx.onnx.ints(axes)], { attrs });
      const isExtremum = op === 'ReduceMax' || op === 'ReduceMin';
      const known = axes.length === 0 ? source : reduce(source);
      const reduced =
        isExtremum && axes.length > 0 && x.dtype === 'float32'
          ? ctx.onnx.op('Where', [hasNaN(source, reduce, ctx, node), ctx.scalar(NaN, output), known])
          : known;
      ctx.set(output, output.dtype === 'bool' ? ctx.cast(reduced, 'bool') : reduced, layout);
    },
  };
}

/** Whether there is a NaN among the elements that `reduce` combines: the runtime's maximum and minimum may skip it. */
function hasNaN(name: string, reduce: (name: string, op: string) => string, ctx: LoweringContext, node: Node): string {
  const isThere = ctx.cast(isNan([name], ctx, node), 'float32');
  return ctx.onnx.op('Greater', [reduce(isThere, 'ReduceMax'), ctx.onnx.float(0)]);
}

function argReduction(op: string): Kernel {
  return {
    infer: (call) => {
      const [axis] = axesOf(call);
      return [{ shape: call.inputs[0]!.shape.filter((_, i) => i !== axis), dtype: 'int32' }];
    },
    lower(node, ctx) {
      const attrs = { axis: { int: axesOf(node)[0]! }, keepdims: { int: 0 } };
      const index = ctx.onnx.op(op, [ctx.get(node.inputs[0]!)], { attrs });
      ctx.set(node.outputs[0]!, ctx.cast(index, 'int32'));
    },
  };
}

function alongAxis(op: string): Kernel {
  return {
    infer: (call) => [specOf(call.inputs[0]!)],
    lower(node, ctx) {
      const attrs = { axis: { int: axesOf(node)[0]! } };
      ctx.set(node.outputs[0]!, ctx.onnx.op(op, [ctx.get(node.inputs[0]!)], { attrs }));
    },
  };
}

const cumsum: Kernel = {
  infer: (call) => [specOf(call.inputs[0]!)],
  lower(node, ctx) {
    const { exclusive, reverse } = node.attrs as { exclusive?: boolean; reverse?: boolean };
    const attrs = { exclusive: { int: exclusive === true ? 1 : 0 }, reverse: { int: reverse === true ? 1 : 0 } };
    const axis = ctx.onnx.ints(axesOf(node));
    ctx.set(node.outputs[0]!, ctx.onnx.op('CumSum', [ctx.get(node.inputs[0]!), axis], { attrs }));
  },
};

/** The k largest along the last axis, in descending order; among equal values the lower index comes first. */
const topK: Kernel = {
  infer: (call) => {
    const x = call.inputs[0]!;
    const shape = [...x.shape.slice(0, -1), call.attrs['k'] as number];
    return [
      { shape, dtype: x.dtype },
      { shape, dtype: 'int32' },
    ];
  },
  lower(node, ctx) {
    const k = ctx.onnx.ints([node.attrs['k'] as number]);
    const [values, indices] = ctx.onnx.ops('TopK', [ctx.get(node.inputs[0]!), k], { outputs: 2 });
    ctx.set(node.outputs[0]!, values!);
    ctx.set(node.outputs[1]!, ctx.cast(indices!, 'int32'));
  },
};

export const reduceKernels: Readonly<Record<string, Kernel>> = {
  All: reduction('ReduceMin'),
  Any: reduction('ReduceMax'),
  ArgMax: argReduction('ArgMax'),
  ArgMin: argReduction('ArgMin'),
  Cumsum: cumsum,
  LogSoftmax: alongAxis('LogSoftmax'),
  Max: reduction('ReduceMax'),
  Mean: reduction('ReduceMean', 'float32'),
  Min: reduction('ReduceMin'),
  Prod: reduction('ReduceProd'),
  Softmax: alongAxis('Softmax'),
  Sum: reduction('ReduceSum'),
  TopK: topK,
};
