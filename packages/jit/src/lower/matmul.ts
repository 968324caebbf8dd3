import { backend_util } from '@tensorflow/tfjs-core';
import { input, type KernelCall, sizeOf } from '../graph/graph.js';
import { type Kernel } from './context.js';

const attrsOf = (call: KernelCall) => call.attrs as { transposeA?: boolean; transposeB?: boolean };

const batchMatMul: Kernel = {
  infer: (call) => {
    const { transposeA, transposeB } = attrsOf(call);
    const a = input(call, 'a');
    const b = input(call, 'b');
    const rows = a.shape.at(transposeA === true ? -1 : -2)!;
    const columns = b.shape.at(transposeB === true ? -2 : -1)!;
    const batch = backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
    return [{ shape: [...batch, rows, columns], dtype: 'float32' }];
  },
  lower(node, ctx) {
    const { transposeA: transA = false, transposeB: transB = false } = attrsOf(node);
    const output = node.outputs[0]!;
    const [a, b] = [input(node, 'a'), input(node, 'b')];
    // The runtime leaves sums of nothing uninitialized.
    if (sizeOf(a.shape) === 0 || sizeOf(b.shape) === 0) return ctx.setConst(output, { ...node, attrs: { splat: 0 } });
    ctx.set(output, ctx.matMul(ctx.get(a), ctx.get(b), [a.shape.length, b.shape.length], { transA, transB }));
  },
};

export const matmulKernels: Readonly<Record<string, Kernel>> = { BatchMatMul: batchMatMul };
