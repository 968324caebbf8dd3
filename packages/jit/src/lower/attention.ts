import { input, type Kernel, pick } from './lowering.js';

/** probs = softmax(scale q kᵀ), y = probs v. */
const attention: Kernel = {
  infer: (call) => {
    const [b, heads, queries, d] = input(call, 'q').shape;
    const keys = input(call, 'k').shape[2]!;
    return [
      { shape: [b!, heads!, queries!, input(call, 'v').shape[3] ?? d!], dtype: 'float32' },
      { shape: [b!, heads!, queries!, keys], dtype: 'float32' },
    ];
  },
  lower(node, ctx) {
    const name = (key: string) => ctx.get(input(node, key));
    const alpha = node.attrs['scale'] as number;
    const scores = ctx.matMul(name('q'), name('k'), 4, { transB: true, alpha });
    const probs = ctx.onnx.op('Softmax', [scores], { attrs: { axis: { int: -1 } } });
    ctx.set(node.outputs[0]!, ctx.matMul(probs, name('v'), 4));
    ctx.set(node.outputs[1]!, probs);
  },
};

/** dv = probsᵀ dy; with p = dy vᵀ, ds = probs (p - rowsum(p probs)); dq = scale ds k, dk = scale dsᵀ q. */
const attentionGrad: Kernel = {
  infer: (call) => ['q', 'k', 'v'].map((key) => pick(input(call, key))),
  lower(node, ctx) {
    const { onnx } = ctx;
    const name = (key: string) => ctx.get(input(node, key));
    const alpha = node.attrs['scale'] as number;
    const dy = name('dy');
    const probs = name('probs');
    const p = ctx.matMul(dy, name('v'), 4, { transB: true });
    // The product with a transposed T x T matrix, written as the transpose of a product that reads it as it lies: the
    // rows to transpose are then d long, not T.
    const transposed = (x: string) => ctx.transpose(x, [0, 1, 3, 2]);
    const leftOf = (x: string, y: string, factor: number) =>
      transposed(ctx.matMul(transposed(x), y, 4, { alpha: factor }));
    const weighted = onnx.op('Mul', [p, probs]);
    const ds = onnx.op('Sub', [weighted, onnx.op('Mul', [probs, ctx.sum(weighted, [3], true)])]);
    ctx.set(node.outputs[0]!, ctx.matMul(ds, name('k'), 4, { alpha }));
    ctx.set(node.outputs[1]!, leftOf(name('q'), ds, alpha));
    ctx.set(node.outputs[2]!, leftOf(dy, probs, 1));
  },
};

export const attentionKernels: Readonly<Record<string, Kernel>> = {
  DmAttention: attention,
  DmAttentionGrad: attentionGrad,
};
