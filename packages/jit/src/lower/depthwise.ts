import { backend_util } from '@tensorflow/tfjs-core';
import { blockable } from './blocked-conv.js';
import { type Call, input, type Kernel } from './lowering.js';

type Info = backend_util.Conv2DInfo;

function infoOf(call: Call): Info {
  const a = call.attrs as {
    strides: [number, number];
    pad: never;
    dilations?: [number, number];
    dimRoundingMode?: never;
  };
  const shape = (name: string) => input(call, name).shape as [number, number, number, number];
  const dilations = a.dilations ?? 1;
  return backend_util.computeConv2DInfo(
    shape('x'),
    shape('filter'),
    a.strides,
    dilations,
    a.pad,
    a.dimRoundingMode,
    true,
  );
}

/**
 * Each channel by itself with `multiplier` filters [kh, kw, C, multiplier]: an ONNX convolution of C groups. With one
 * filter a channel it goes over the runtime's blocked tensors where those serve (see blocked-conv.ts), whose filter is
 * [C / b, taps, b] here; the plain one takes groups one at a time and is many times slower. No gradient is lowered.
 */
const depthwise: Kernel = {
  infer: (call) => [{ shape: infoOf(call).outShape, dtype: 'float32' }],
  lower(node, ctx) {
    const info = infoOf(node);
    const [kh, kw, channels, multiplier] = input(node, 'filter').shape as [number, number, number, number];
    const { top, bottom, left, right } = info.padInfo;
    const attrs = {
      strides: { ints: [info.strideHeight, info.strideWidth] },
      dilations: { ints: [info.dilationHeight, info.dilationWidth] },
      pads: { ints: [top, left, bottom, right] },
      kernel_shape: { ints: [kh, kw] },
      group: { int: channels },
    };
    const x = ctx.get(input(node, 'x'), 'cf');
    const filter = ctx.get(input(node, 'filter'));
    const outShape = [channels * multiplier, 1, kh, kw];
    if (multiplier === 1 && blockable(ctx, channels, channels)) {
      const blocks = ctx.transpose(ctx.reshape(filter, [kh * kw, channels / ctx.block, ctx.block]), [1, 0, 2]);
      const domain = 'com.microsoft.nchwc';
      const blocked = ctx.onnx.op('ReorderInput', [x], { domain });
      const y = ctx.onnx.op('Conv', [blocked, ctx.reshape(blocks, outShape)], { domain, attrs });
      const out = ctx.onnx.op('ReorderOutput', [y], { domain, attrs: { channels: { int: channels } } });
      ctx.set(node.outputs[0]!, out, 'cf');
      return;
    }
    const perChannel = ctx.reshape(ctx.transpose(filter, [2, 3, 0, 1]), outShape);
    ctx.set(node.outputs[0]!, ctx.onnx.op('Conv', [x, perChannel], { attrs }), 'cf');
  },
};

export const depthwiseKernels: Readonly<Record<string, Kernel>> = {
  DepthwiseConv2dNative: depthwise,
};
