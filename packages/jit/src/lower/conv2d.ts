import { optionalArg, type Value } from '../graph.js';
import { blockable, blockedConv } from './blocked-conv.js';
import { gradFilter } from './conv2d-filter-gradient.js';
import { gradInput } from './conv2d-input-gradient.js';
import { convAttrs, type ConvGeometry, dmGeometry, tfGeometry } from './conv-geometry.js';
import { type Call, input, type Kernel, type Lowering } from './lowering.js';

/** y = conv(x, filter) + bias, channels first. */
function forward(x: Value, filter: Value, bias: Value | undefined, geometry: ConvGeometry, ctx: Lowering): string {
  const [kh, kw, inChannels, outChannels] = geometry.filter as [number, number, number, number];
  const biasName = bias && ctx.get(bias);
  if (blockable(ctx, inChannels, outChannels)) {
    const taps = ctx.reshape(ctx.get(filter), [kh * kw, inChannels, outChannels]);
    const conv = { filter: taps, bias: biasName, over: 'in', kernel: [kh, kw], inChannels, outChannels } as const;
    return blockedConv({ ...conv, x: ctx.get(x, 'cf'), attrs: convAttrs(geometry) }, ctx);
  }
  const operands = [
    ctx.get(x, 'cf'),
    ctx.transpose(ctx.get(filter), [3, 2, 0, 1]),
    ...(biasName === undefined ? [] : [biasName]),
  ];
  return ctx.onnx.op('Conv', operands, { attrs: convAttrs(geometry) });
}

function convKernel(geometryOf: typeof dmGeometry): Kernel {
  const geometry = (call: Call) => geometryOf(call, input(call, 'x').shape, input(call, 'filter').shape);
  return {
    infer: (call) => [{ shape: geometry(call).y, dtype: 'float32' }],
    lower(node, ctx) {
      const result = forward(input(node, 'x'), input(node, 'filter'), optionalArg(node, 'bias'), geometry(node), ctx);
      ctx.set(node.outputs[0]!, result, 'cf');
    },
  };
}

function gradInputKernel(geometryOf: typeof dmGeometry): Kernel {
  return {
    infer: (call) => [{ shape: call.attrs['inputShape'] as number[], dtype: 'float32' }],
    lower(node, ctx) {
      const filter = input(node, 'filter');
      const geometry = geometryOf(node, node.attrs['inputShape'] as number[], filter.shape);
      ctx.set(node.outputs[0]!, gradInput(input(node, 'dy'), filter, optionalArg(node, 'bias'), geometry, ctx), 'cf');
    },
  };
}

function gradFilterKernel(geometryOf: typeof dmGeometry): Kernel {
  return {
    infer: (call) => [{ shape: call.attrs['filterShape'] as number[], dtype: 'float32' }],
    lower(node, ctx) {
      const x = input(node, 'x');
      const geometry = geometryOf(node, x.shape, node.attrs['filterShape'] as number[]);
      ctx.set(node.outputs[0]!, gradFilter(x, input(node, 'dy'), geometry, ctx));
    },
  };
}

export const conv2dKernels: Readonly<Record<string, Kernel>> = {
  Conv2D: convKernel(tfGeometry),
  Conv2DBackpropFilter: gradFilterKernel(tfGeometry),
  Conv2DBackpropInput: gradInputKernel(tfGeometry),
  DmConv2D: convKernel(dmGeometry),
  DmConv2DGradFilter: gradFilterKernel(dmGeometry),
  DmConv2DGradInput: gradInputKernel(dmGeometry),
};
