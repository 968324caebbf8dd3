import { input } from '../graph/graph.js';
import { type Kernel } from './context.js';

const scaled = (shape: readonly number[], factor: number): number[] => [
  shape[0]!,
  shape[1]! * factor,
  shape[2]! * factor,
  shape[3]!,
];

/** Repeats each pixel `factor` times along height and width: broadcast over two new axes. */
const upsample: Kernel = {
  infer: (call) => [{ shape: scaled(input(call, 'x').shape, call.attrs['factor'] as number), dtype: 'float32' }],
  lower(node, ctx) {
    const x = input(node, 'x');
    const factor = node.attrs['factor'] as number;
    const [n, h, w, c] = x.shape as [number, number, number, number];
    const apart = ctx.reshape(ctx.get(x, 'NCHW'), [n, c, h, 1, w, 1]);
    const repeated = ctx.onnx.op('Expand', [apart, ctx.onnx.ints([n, c, h, factor, w, factor])]);
    ctx.set(node.outputs[0]!, ctx.reshape(repeated, [n, c, h * factor, w * factor]), 'NCHW');
  },
};

/** The sum over each block of factor · factor pixels. */
const upsampleGrad: Kernel = {
  infer: (call) => [{ shape: scaled(input(call, 'dy').shape, 1 / (call.attrs['factor'] as number)), dtype: 'float32' }],
  lower(node, ctx) {
    const factor = node.attrs['factor'] as number;
    const [n, h, w, c] = node.outputs[0]!.shape as [number, number, number, number];
    const blocks = ctx.reshape(ctx.get(input(node, 'dy'), 'NCHW'), [n, c, h, factor, w, factor]);
    ctx.set(node.outputs[0]!, ctx.sum(blocks, [3, 5], false), 'NCHW');
  },
};

export const upsampleKernels: Readonly<Record<string, Kernel>> = {
  DmUpsampleNearest: upsample,
  DmUpsampleNearestGrad: upsampleGrad,
};
