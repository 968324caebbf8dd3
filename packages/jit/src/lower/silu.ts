import { input, specOf } from '../graph/graph.js';
import { type Kernel, type LoweringContext } from './context.js';

/** x sigmoid(x): QuickGelu with alpha 1 if the target has it. */
function silu(x: string, ctx: LoweringContext): string {
  if (ctx.target !== 'cpu') return ctx.onnx.op('Mul', [x, ctx.onnx.op('Sigmoid', [x])]);
  return ctx.onnx.op('QuickGelu', [x], { domain: 'com.microsoft', attrs: { alpha: { float: 1 } } });
}

const forward: Kernel = {
  infer: (call) => [specOf(input(call, 'x'))],
  lower(node, ctx) {
    const x = input(node, 'x');
    const layout = ctx.layoutOf(x);
    ctx.set(node.outputs[0]!, silu(ctx.get(x, layout), ctx), layout);
  },
};

/** With s = sigmoid(x) and y = x s: dx = dy (s + y (1 - s)) = dy (y + s (1 - y)). */
const backward: Kernel = {
  infer: (call) => [specOf(input(call, 'x'))],
  lower(node, ctx) {
    const x = input(node, 'x');
    const layout = ctx.layoutOf(x);
    const { onnx } = ctx;
    const xs = ctx.get(x, layout);
    const s = onnx.op('Sigmoid', [xs]);
    const y = silu(xs, ctx);
    const slope = onnx.op('Add', [y, onnx.op('Mul', [s, onnx.op('Sub', [onnx.float(1), y])])]);
    ctx.set(node.outputs[0]!, onnx.op('Mul', [ctx.get(input(node, 'dy'), layout), slope]), layout);
  },
};

export const siluKernels: Readonly<Record<string, Kernel>> = { DmSilu: forward, DmSiluGrad: backward };
