import { backend_util } from '@tensorflow/tfjs-core';
import { input, type KernelCall } from '../graph/graph.js';
import { type Kernel, type LoweringContext } from './context.js';
import { checkRounding } from './conv-geometry.js';

type Info = backend_util.Conv2DInfo;

function poolInfo(call: KernelCall, shape: readonly number[]): Info {
  const a = call.attrs as { filterSize: number; strides: number; pad: never; dimRoundingMode?: never };
  const info = backend_util.computePool2DInfo(shape as never, a.filterSize, a.strides, 1, a.pad, a.dimRoundingMode);
  checkRounding(info);
  return info;
}

const attrsOf = (info: Info) => ({
  kernel_shape: { ints: [info.filterHeight, info.filterWidth] },
  strides: { ints: [info.strideHeight, info.strideWidth] },
  pads: { ints: [info.padInfo.top, info.padInfo.left, info.padInfo.bottom, info.padInfo.right] },
});

function pool(op: string): Kernel {
  return {
    infer: (call) => [{ shape: poolInfo(call, input(call, 'x').shape).outShape, dtype: input(call, 'x').dtype }],
    lower(node, ctx) {
      const x = input(node, 'x');
      const result = ctx.onnx.op(op, [ctx.get(x, 'NCHW')], { attrs: attrsOf(poolInfo(node, x.shape)) });
      ctx.set(node.outputs[0]!, result, 'NCHW');
    },
  };
}

/** A tensor [N, C, H, W] as [N C, 1, H, W]: one image per channel. */
const perChannel = (x: string, [n, h, w, c]: readonly number[], ctx: LoweringContext) =>
  ctx.reshape(x, [n! * c!, 1, h!, w!]);

/**
 * Each gradient element, divided by the number of pixels in its window (padding does not count), is added to all of
 * them: a transposed convolution with ones.
 */
const avgPoolGrad: Kernel = {
  infer: (call) => [{ shape: input(call, 'input').shape, dtype: 'float32' }],
  lower(node, ctx) {
    const x = input(node, 'input');
    const dy = input(node, 'dy');
    const info = poolInfo(node, x.shape);
    const { kernel_shape, strides, pads } = attrsOf(info);
    const { top, bottom, left, right } = info.padInfo;
    const missing = [
      info.inHeight + top + bottom - info.filterHeight - (info.outHeight - 1) * info.strideHeight,
      info.inWidth + left + right - info.filterWidth - (info.outWidth - 1) * info.strideWidth,
    ];
    const kernel = ctx.onnx.floats(new Float32Array(info.filterHeight * info.filterWidth).fill(1), [
      1,
      1,
      info.filterHeight,
      info.filterWidth,
    ]);
    const count = ctx.onnx.floats(windowSizes(info), [1, 1, info.outHeight, info.outWidth]);
    const share = ctx.onnx.op('Div', [perChannel(ctx.get(dy, 'NCHW'), dy.shape, ctx), count]);
    const spread = ctx.onnx.op('ConvTranspose', [share, kernel], {
      attrs: { kernel_shape, strides, pads, output_padding: { ints: missing } },
    });
    const [n, h, w, c] = x.shape;
    ctx.set(node.outputs[0]!, ctx.reshape(spread, [n!, c!, h!, w!]), 'NCHW');
  },
};

function windowSizes(info: Info): number[] {
  const inside = (i: number, stride: number, pad: number, size: number, length: number) =>
    Math.min(i * stride - pad + size, length) - Math.max(i * stride - pad, 0);
  const sizes: number[] = [];
  for (let i = 0; i < info.outHeight; i++) {
    for (let j = 0; j < info.outWidth; j++) {
      const rows = inside(i, info.strideHeight, info.padInfo.top, info.filterHeight, info.inHeight);
      sizes.push(rows * inside(j, info.strideWidth, info.padInfo.left, info.filterWidth, info.inWidth));
    }
  }
  return sizes;
}

export const poolKernels: Readonly<Record<string, Kernel>> = {
  AvgPool: pool('AveragePool'),
  AvgPoolGrad: avgPoolGrad,
  MaxPool: pool('MaxPool'),
};
