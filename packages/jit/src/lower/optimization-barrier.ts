import { input, specOf, type Value } from '../graph/graph.js';
import { inLayout, type Kernel, type Layout, type LoweringContext } from './context.js';

/**
 * Returns x, but only after the other inputs have been computed. It prevents a recomputation from being merged with the
 * first computation, or from running too early. ONNX has no such operator, and an Identity would be removed; therefore
 * x is concatenated with zero rows of the others, a data dependency that ONNX Runtime cannot remove. It costs one copy
 * of x. Devices refuse empty tensors: there, zero times the first element of each other tensor is added to x.
 */
const optimizationBarrier: Kernel = {
  infer: (call) => [specOf(input(call, 'x'))],
  lower(node, ctx) {
    const { onnx } = ctx;
    const [x, ...others] = node.inputs as [Value, ...Value[]];
    const layout = ctx.layoutOf(x);
    const [, ...rest] = layout === 'NCHW' ? inLayout(layout, x.shape) : x.shape;
    if (ctx.target === 'gpu') {
      ctx.set(node.outputs[0]!, plusZero(x, others, layout, ctx), layout);
      return;
    }
    const none = onnx.ints([0]);
    const noRows = others.map((other) => {
      const name = ctx.get(other, ctx.layoutOf(other));
      const rows = other.shape.length === 0 ? ctx.reshape(name, [1]) : name;
      return ctx.reshape(onnx.op('Slice', [rows, none, none, none]), [0, ...rest]);
    });
    const joined = onnx.op('Concat', [ctx.get(x, layout), ...noRows], { attrs: { axis: { int: 0 } } });
    ctx.set(node.outputs[0]!, joined, layout);
  },
};

/** x + 0 (a[0] + b[0] + ...); a bool is returned as it is, since it is cheap to keep. */
function plusZero(x: Value, others: readonly Value[], layout: Layout, ctx: LoweringContext): string {
  const { onnx } = ctx;
  if (x.dtype === 'bool') return ctx.get(x, layout);
  const [start, end] = [onnx.ints([0]), onnx.ints([1])];
  const elements = others.map((other) => {
    const flat = ctx.reshape(ctx.get(other, ctx.layoutOf(other)), [-1]);
    const first = onnx.op('Slice', [flat, start, end, start]);
    return ctx.reshape(other.dtype === x.dtype ? first : ctx.cast(first, x.dtype), []);
  });
  const sum = elements.reduce((a, b) => onnx.op('Add', [a, b]));
  return onnx.op('Add', [ctx.get(x, layout), onnx.op('Mul', [sum, ctx.scalar(0, x)])]);
}

export const optimizationBarrierKernels: Readonly<Record<string, Kernel>> = {
  DmOptimizationBarrier: optimizationBarrier,
};
