import { input, specOf, type Value } from '../graph/graph.js';
import { type Kernel, type LoweringContext } from './context.js';

/**
 * Elements of [Tq, Tk] matrices that are processed at a time (4 MB). Images are independent, so they are processed in
 * groups whose matrices stay in the processor's cache from one operator to the next. Smaller groups lose more to the
 * number of operators than they gain.
 */
const IN_CACHE = 2 ** 20;

/**
 * Images per group, for q [B, heads, Tq, d] and k [B, heads, Tk, d]. There is a single group in a file, since its B
 * may vary, and on a device, which has no such cache.
 */
function groupSizes(q: Value, k: Value, ctx: LoweringContext): number[] {
  const [images, heads, queries] = q.shape as [number, number, number];
  const matrices = heads * queries * k.shape[2]!;
  const size = ctx.target !== 'cpu' ? images : Math.min(images, Math.max(1, Math.floor(IN_CACHE / matrices)));
  const whole = Array<number>(Math.floor(images / size)).fill(size);
  return images % size === 0 ? whole : [...whole, images % size];
}

/** Concatenates the results of `each` over groups of images. `each` gets its group's slice of the operands. */
function byGroups<Key extends string>(
  sizes: readonly number[],
  operands: Readonly<Record<Key, string>>,
  each: (shares: Readonly<Record<Key, string>>) => readonly string[],
  { onnx }: LoweringContext,
): string[] {
  if (sizes.length === 1) return [...each(operands)];
  const attrs = { axis: { int: 0 } };
  const lengths = onnx.ints(sizes);
  const split = (name: string) => onnx.ops('Split', [name, lengths], { attrs, outputs: sizes.length });
  const shares = (Object.entries(operands) as [Key, string][]).map(([key, name]) => [key, split(name)] as const);
  const groups = sizes.map((_, group) =>
    each(Object.fromEntries(shares.map(([key, parts]) => [key, parts[group]!])) as Record<Key, string>),
  );
  const joined = (i: number) => groups.map((results) => results[i]!);
  return groups[0]!.map((_, i) => onnx.op('Concat', joined(i), { attrs }));
}

const softmax = (scores: string, { onnx }: LoweringContext): string =>
  onnx.op('Softmax', [scores], { attrs: { axis: { int: -1 } } });

/** y = softmax(scale q kᵀ) v. */
const attention: Kernel = {
  infer: (call) => [{ shape: [...input(call, 'q').shape.slice(0, 3), input(call, 'v').shape[3]!], dtype: 'float32' }],
  lower(node, ctx) {
    const name = (key: string) => ctx.get(input(node, key));
    const alpha = node.attrs['scale'] as number;
    const sizes = groupSizes(input(node, 'q'), input(node, 'k'), ctx);
    const operands = { q: name('q'), k: name('k'), v: name('v') };
    const [y] = byGroups(
      sizes,
      operands,
      ({ q, k, v }) => [ctx.matMul(softmax(ctx.matMul(q, k, 4, { transB: true, alpha }), ctx), v, 4)],
      ctx,
    );
    ctx.set(node.outputs[0]!, y!);
  },
};

/**
 * Recomputes probs = softmax(scale q kᵀ). Then dv = probsᵀ dy; ds = probs (dy vᵀ - rowsum(dy y)); dq = scale ds k, dk =
 * dsᵀ (scale q).
 */
const attentionGrad: Kernel = {
  infer: (call) => ['q', 'k', 'v'].map((key) => specOf(input(call, key))),
  lower(node, ctx) {
    const { onnx } = ctx;
    const name = (key: string) => ctx.get(input(node, key));
    const alpha = node.attrs['scale'] as number;
    const dy = name('dy');
    // Scaled here rather than in the product. Otherwise the runtime would find the forward pass's products to be
    // equal, and keep all of them until the backward pass.
    const scaled = onnx.op('Mul', [name('q'), onnx.float(alpha)]);
    const rowSums = ctx.sum(onnx.op('Mul', [dy, name('y')]), [3], true);
    // The product with a transposed T x T matrix, written as the transpose of a product with the matrix in its own
    // order: the rows to transpose are then d long instead of T.
    const transposed = (x: string) => ctx.transpose(x, [0, 1, 3, 2]);
    const operands = {
      q: scaled,
      k: name('k'),
      v: name('v'),
      dy,
      rowSums,
      qT: transposed(scaled),
      dyT: transposed(dy),
    };
    const sizes = groupSizes(input(node, 'q'), input(node, 'k'), ctx);
    const [dq, dk, dv] = byGroups(
      sizes,
      operands,
      (at) => {
        const probs = softmax(ctx.matMul(at.q, at.k, 4, { transB: true }), ctx);
        const ds = onnx.op('Mul', [probs, onnx.op('Sub', [ctx.matMul(at.dy, at.v, 4, { transB: true }), at.rowSums])]);
        return [ctx.matMul(ds, at.k, 4, { alpha }), ctx.matMul(at.qT, ds, 4), ctx.matMul(at.dyT, probs, 4)];
      },
      ctx,
    );
    ctx.set(node.outputs[0]!, dq!);
    ctx.set(node.outputs[1]!, transposed(dk!));
    ctx.set(node.outputs[2]!, transposed(dv!));
  },
};

export const attentionKernels: Readonly<Record<string, Kernel>> = {
  DmAttention: attention,
  DmAttentionGrad: attentionGrad,
};
