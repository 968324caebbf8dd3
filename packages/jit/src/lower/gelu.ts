import { input, type Node, specOf } from '../graph/graph.js';
import { type Kernel, type LoweringContext } from './context.js';

const isTanh = (node: Node): boolean => node.attrs['approximate'] === 'tanh';

const forward: Kernel = {
  infer: (call) => [specOf(input(call, 'x'))],
  lower(node, ctx) {
    const x = input(node, 'x');
    const layout = ctx.layoutOf(x);
    const attrs = { approximate: { string: isTanh(node) ? 'tanh' : 'none' } };
    ctx.set(node.outputs[0]!, ctx.onnx.op('Gelu', [ctx.get(x, layout)], { attrs }), layout);
  },
};

/** With t = x / sqrt(2): Φ(x) + x φ(x) = (1 + erf(t)) / 2 + t exp(-t²) / sqrt(π). */
function exactSlope(x: string, { onnx }: LoweringContext): string {
  const t = onnx.op('Mul', [x, onnx.float(Math.SQRT1_2)]);
  const half = onnx.float(0.5);
  const phi = onnx.op('Add', [onnx.op('Mul', [onnx.op('Erf', [t]), half]), half]);
  // exp(-t²) / sqrt(π) = exp(-log(π) / 2 - t²)
  const bell = onnx.op('Exp', [onnx.op('Sub', [onnx.float(-Math.log(Math.PI) / 2), onnx.op('Mul', [t, t])])]);
  return onnx.op('Add', [phi, onnx.op('Mul', [t, bell])]);
}

/** With y = x s, s = sigmoid(u), u = x w, w = a + b x²: s (1 + (1 - s) x u'), u' = a + 3 b x² = 3 w - 2 a. */
function tanhSlope(x: string, { onnx }: LoweringContext): string {
  const a = 2 * Math.sqrt(2 / Math.PI);
  const one = onnx.float(1);
  const cubic = onnx.op('Mul', [onnx.op('Mul', [x, x]), onnx.float(0.044715 * a)]);
  const w = onnx.op('Add', [cubic, onnx.float(a)]);
  const s = onnx.op('Sigmoid', [onnx.op('Mul', [x, w])]);
  const rise = onnx.op('Mul', [x, onnx.op('Sub', [onnx.op('Mul', [w, onnx.float(3)]), onnx.float(2 * a)])]);
  return onnx.op('Mul', [s, onnx.op('Add', [onnx.op('Mul', [onnx.op('Sub', [one, s]), rise]), one])]);
}

const backward: Kernel = {
  infer: (call) => [specOf(input(call, 'x'))],
  lower(node, ctx) {
    const x = input(node, 'x');
    const layout = ctx.layoutOf(x);
    const slope = (isTanh(node) ? tanhSlope : exactSlope)(ctx.get(x, layout), ctx);
    ctx.set(node.outputs[0]!, ctx.onnx.op('Mul', [ctx.get(input(node, 'dy'), layout), slope]), layout);
  },
};

export const geluKernels: Readonly<Record<string, Kernel>> = { DmGelu: forward, DmGeluGrad: backward };
