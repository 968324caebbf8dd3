import type { DType } from '@dm/ops';
import { type ConstData, type KernelCall, specOf, type TensorSpec, type Value } from '../graph/graph.js';
import { filledWith, type Kernel, typedArray } from './context.js';

/** A tensor known at trace time, passed to the lowering as a constant. */
function knownWhileTracing(
  infer: Kernel['infer'],
  data: (call: KernelCall, output: Value) => ConstData | number,
): Kernel {
  return {
    infer,
    lower(node, ctx) {
      const output = node.outputs[0]!;
      const value = data(node, output);
      ctx.setConst(output, { ...node, attrs: typeof value === 'number' ? { splat: value } : { data: value } });
    },
  };
}

const steps = (call: KernelCall): TensorSpec & { values: number[] } => {
  const { start, stop, step, num, dtype } = call.attrs as Record<string, number> & { dtype?: DType };
  if (num !== undefined) {
    const gap = num > 1 ? (stop! - start!) / (num - 1) : 0;
    return { shape: [num], dtype: 'float32', values: Array.from({ length: num }, (_, i) => start! + i * gap) };
  }
  const count = Math.max(0, Math.ceil((stop! - start!) / step!));
  const values = Array.from({ length: count }, (_, i) => start! + i * step!);
  return { shape: [count], dtype: dtype ?? 'float32', values };
};

const series = knownWhileTracing(
  (call) => [specOf(steps(call))],
  (call, output) => typedArray(output, steps(call).values),
);

export const creationKernels: Readonly<Record<string, Kernel>> = {
  Const: knownWhileTracing(
    (call) => [specOf(call.inputs[0]!)],
    (call) => (call.attrs['data'] as ConstData | undefined) ?? (call.attrs['splat'] as number),
  ),
  Fill: knownWhileTracing(
    (call) => [{ shape: call.attrs['shape'] as number[], dtype: (call.attrs['dtype'] as DType) ?? 'float32' }],
    (call, output) => filledWith(call.attrs['value'], output),
  ),
  LinSpace: series,
  OnesLike: knownWhileTracing(
    (call) => [specOf(call.inputs[0]!)],
    () => 1,
  ),
  Range: series,
  ZerosLike: knownWhileTracing(
    (call) => [specOf(call.inputs[0]!)],
    () => 0,
  ),
};
