import { input, type KernelCall } from '../graph/graph.js';
import { convAttrs, type ConvGeometry, tfGeometry } from './conv-geometry.js';
import { type Kernel } from './context.js';
import { plainConv } from './plain-conv.js';

const geometryOf = (call: KernelCall): ConvGeometry =>
  tfGeometry(call, input(call, 'x').shape, input(call, 'filter').shape, true);

/**
 * Convolves each channel separately with `multiplier` filters [kh, kw, C, multiplier]: an ONNX convolution of C groups.
 * With one filter per channel it uses the runtime's blocked tensors if they apply (see blocked-conv.ts); their filter
 * is [C / b, taps, b] here. The plain convolution processes groups one at a time and is many times slower. The gradient
 * is not lowered.
 */
const depthwise: Kernel = {
  infer: (call) => [{ shape: geometryOf(call).y, dtype: 'float32' }],
  lower(node, ctx) {
    const geometry = geometryOf(node);
    const [kh, kw, channels, multiplier] = geometry.filter as [number, number, number, number];
    const attrs = { ...convAttrs(geometry), kernel_shape: { ints: [kh, kw] }, group: { int: channels } };
    const x = ctx.get(input(node, 'x'), 'NCHW');
    const filter = ctx.get(input(node, 'filter'));
    const outShape = [channels * multiplier, 1, kh, kw];
    const blocked = ctx.blockedFor(channels);
    if (multiplier === 1 && blocked !== undefined) {
      const blocks = ctx.transpose(ctx.reshape(filter, [kh * kw, channels / blocked.block, blocked.block]), [1, 0, 2]);
      ctx.set(
        node.outputs[0]!,
        blocked.convOverBlocks([x, ctx.reshape(blocks, outShape)], channels, attrs, ctx),
        'NCHW',
      );
      return;
    }
    const perChannel = ctx.reshape(ctx.transpose(filter, [2, 3, 0, 1]), outShape);
    const sizes = { kernel: [kh, kw], image: geometry.x.slice(1, 3) };
    ctx.set(node.outputs[0]!, plainConv([x, perChannel], sizes, attrs, ctx), 'NCHW');
  },
};

export const depthwiseKernels: Readonly<Record<string, Kernel>> = {
  DepthwiseConv2dNative: depthwise,
};
