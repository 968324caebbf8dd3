import { input, specOf, type Value } from '../graph/graph.js';
import { inLayout, type Kernel } from './context.js';

/**
 * Returns x, but only after the other inputs have been computed. It prevents a recomputation from being merged with the
 * first computation, or from running too early. ONNX has no such operator, and an Identity would be removed; therefore
 * x is concatenated with zero rows of the others, a data dependency that ONNX Runtime cannot remove. It costs one copy
 * of x.
 */
const optimizationBarrier: Kernel = {
  infer: (call) => [specOf(input(call, 'x'))],
  lower(node, ctx) {
    const { onnx } = ctx;
    const [x, ...others] = node.inputs as [Value, ...Value[]];
    const layout = ctx.layoutOf(x);
    const [, ...rest] = layout === 'NCHW' ? inLayout(layout, x.shape) : x.shape;
    const none = onnx.ints([0]);
    const noRows = others.map((other) => {
      const flat = ctx.reshape(ctx.get(other, ctx.layoutOf(other)), [-1]);
      return ctx.reshape(onnx.op('Slice', [flat, none, none, none]), [0, ...rest]);
    });
    const joined = onnx.op('Concat', [ctx.get(x, layout), ...noRows], { attrs: { axis: { int: 0 } } });
    ctx.set(node.outputs[0]!, joined, layout);
  },
};

export const optimizationBarrierKernels: Readonly<Record<string, Kernel>> = {
  DmOptimizationBarrier: optimizationBarrier,
};
