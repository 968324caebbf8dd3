import { input, type KernelCall, optionalInput, type Value } from '../graph/graph.js';
import { weightGradient } from './conv2d-weight-gradient.js';
import { inputGradient } from './conv2d-input-gradient.js';
import { convAttrs, type ConvGeometry, dmGeometry, tfGeometry } from './conv-geometry.js';
import { type Kernel, type LoweringContext } from './context.js';
import { plainConv } from './plain-conv.js';

/** y = conv(x, filter) + bias, in NCHW. */
function forward(
  x: Value,
  filter: Value,
  bias: Value | undefined,
  geometry: ConvGeometry,
  ctx: LoweringContext,
): string {
  const [kh, kw, inChannels, outChannels] = geometry.filter as [number, number, number, number];
  const biasName = bias && ctx.get(bias);
  const blocked = ctx.blockedFor(inChannels, outChannels);
  if (blocked !== undefined) {
    const taps = ctx.reshape(ctx.get(filter), [kh * kw, inChannels, outChannels]);
    const conv = { filter: taps, bias: biasName, over: 'in', kernel: [kh, kw], inChannels, outChannels } as const;
    return blocked.conv({ ...conv, x: ctx.get(x, 'NCHW'), attrs: convAttrs(geometry) }, ctx);
  }
  const operands = [
    ctx.get(x, 'NCHW'),
    ctx.transpose(ctx.get(filter), [3, 2, 0, 1]),
    ...(biasName === undefined ? [] : [biasName]),
  ];
  return plainConv(operands, { kernel: [kh, kw], image: geometry.x.slice(1, 3) }, convAttrs(geometry), ctx);
}

function convKernel(geometryOf: typeof dmGeometry): Kernel {
  const geometry = (call: KernelCall) => geometryOf(call, input(call, 'x').shape, input(call, 'filter').shape);
  return {
    infer: (call) => [{ shape: geometry(call).y, dtype: 'float32' }],
    lower(node, ctx) {
      const result = forward(input(node, 'x'), input(node, 'filter'), optionalInput(node, 'bias'), geometry(node), ctx);
      ctx.set(node.outputs[0]!, result, 'NCHW');
    },
  };
}

function inputGradientKernel(geometryOf: typeof dmGeometry): Kernel {
  return {
    infer: (call) => [{ shape: call.attrs['inputShape'] as number[], dtype: 'float32' }],
    lower(node, ctx) {
      const filter = input(node, 'filter');
      const geometry = geometryOf(node, node.attrs['inputShape'] as number[], filter.shape);
      ctx.set(
        node.outputs[0]!,
        inputGradient(input(node, 'dy'), filter, optionalInput(node, 'bias'), geometry, ctx),
        'NCHW',
      );
    },
  };
}

function weightGradientKernel(geometryOf: typeof dmGeometry): Kernel {
  return {
    infer: (call) => [{ shape: call.attrs['filterShape'] as number[], dtype: 'float32' }],
    lower(node, ctx) {
      const x = input(node, 'x');
      const geometry = geometryOf(node, x.shape, node.attrs['filterShape'] as number[]);
      ctx.set(node.outputs[0]!, weightGradient(x, input(node, 'dy'), geometry, ctx));
    },
  };
}

export const conv2dKernels: Readonly<Record<string, Kernel>> = {
  Conv2D: convKernel(tfGeometry),
  Conv2DBackpropFilter: weightGradientKernel(tfGeometry),
  Conv2DBackpropInput: inputGradientKernel(tfGeometry),
  DmConv2D: convKernel(dmGeometry),
  DmConv2DGradFilter: weightGradientKernel(dmGeometry),
  DmConv2DGradInput: inputGradientKernel(dmGeometry),
};
