import {
  input,
  type Graph,
  type GraphBuilder,
  type Node,
  optionalInput,
  type TensorSpec,
  rewrite,
  type Value,
} from '../graph/graph.js';
import type { BlockedConvolutions } from '../lower/context.js';

/** Strides of a convolution of the large image, [N, 2 H, 2 W, C], whose input gradient is the upsampled convolution. */
const strides = [2, 2] as const;
const pad = [
  [1, 1],
  [1, 1],
] as const;

/** For each of the four taps along one axis, which of the filter's three taps it sums: w2, w1 + w2, w0 + w1, w0. */
const members = [
  [2, 3],
  [1, 2],
  [0, 1],
] as const;

/** [16, 9]: 1 if tap `row` of the 4x4 filter includes tap `column` of the 3x3 filter. */
const spread = Float32Array.from({ length: 16 * 9 }, (_, i) => {
  const [four, three] = [Math.floor(i / 9), i % 9];
  const along = (tap: number, part: number) => (members[part] as readonly number[]).includes(tap);
  return along(Math.floor(four / 4), Math.floor(three / 3)) && along(four % 4, three % 3) ? 1 : 0;
});

/**
 * Fuses nearest-neighbor upsampling by 2 with the 3x3 convolution that follows it, which together read each pixel up to
 * nine times. Pixel 2i + p of the result, p = 0 or 1 along each axis, needs two neighbors only, with sums of the
 * filter's taps:
 *
 *   y[2i] = w0 x[i-1] + (w1 + w2) x[i],  y[2i+1] = (w0 + w1) x[i] + w2 x[i+1].
 *
 * That is the input gradient of a stride-2 convolution with the 4x4 filter of these sums. Its own input gradient is
 * that convolution, and its weight gradient is the convolution's, from which the gradient of the 3x3 taps is gathered.
 * It takes 4/9 of the multiplications, and no image is enlarged. Convolutions whose channels do not fill blocks are not
 * changed.
 */
export function fuseUpsampledConvolutions(graph: Graph, blocked: BlockedConvolutions): Graph {
  const filters = new Map<Value, Value>();
  return rewrite(graph, (node, builder) => {
    const emit = emitterAs(node, builder);
    const filterOf = (filter: Value): Value => {
      const known = filters.get(filter);
      if (known !== undefined) return known;
      const made = spreadFilter(filter, emit);
      filters.set(filter, made);
      return made;
    };
    if (node.op === 'DmConv2D') {
      const small = beforeDoubling(input(node, 'x'), builder);
      const filter = input(node, 'filter');
      if (small === undefined || !fits(node, filter.shape, blocked)) return undefined;
      const [{ shape }] = node.outputs as readonly [Value];
      const bias = optionalInput(node, 'bias');
      const inputs = { dy: small, filter: filterOf(filter), ...(bias && { bias }) };
      return [emit('DmConv2DGradInput', inputs, { strides, pad, inputShape: shape }, shape)];
    }
    if (node.op === 'DmUpsampleNearestGrad' && node.attrs['factor'] === 2) {
      const byLarge = builder.producer(input(node, 'dy'));
      if (byLarge?.op !== 'DmConv2DGradInput') return undefined;
      const filter = input(byLarge, 'filter');
      if (!fits(byLarge, filter.shape, blocked)) return undefined;
      const inputs = { x: input(byLarge, 'dy'), filter: filterOf(filter) };
      const convolve = emitterAs({ ...node, precision: byLarge.precision }, builder);
      return [convolve('DmConv2D', inputs, { strides, pad }, node.outputs[0]!.shape)];
    }
    if (node.op === 'DmConv2DGradFilter') {
      const small = beforeDoubling(input(node, 'x'), builder);
      const filterShape = node.attrs['filterShape'] as readonly number[];
      if (small === undefined || !fits(node, filterShape, blocked)) return undefined;
      const dy = input(node, 'dy');
      const large = [4, 4, filterShape[3]!, filterShape[2]!];
      const geometry = { strides, dilations: [1, 1] as const, pad, x: dy.shape, filter: large, y: small.shape };
      if (!blocked.hasWeightGradient(geometry)) return undefined;
      const attrs = { strides, pad, filterShape: large };
      return [gatherFilter(emit('DmConv2DGradFilter', { x: dy, dy: small }, attrs, large), emit)];
    }
    return undefined;
  });
}

/** The value before each of its pixels was doubled; undefined if `value` is not an upsampled image. */
function beforeDoubling(value: Value, builder: GraphBuilder): Value | undefined {
  const node = builder.producer(value);
  return node?.op === 'DmUpsampleNearest' && node.attrs['factor'] === 2 ? input(node, 'x') : undefined;
}

/**
 * Whether `node` is a 3x3 convolution, or a gradient of one, with stride 1, padding 1, and channels in whole blocks.
 */
function fits(
  { attrs }: Node,
  [kh, kw, inChannels, outChannels]: readonly number[],
  { block }: BlockedConvolutions,
): boolean {
  const { strides: steps, pad: margins } = attrs as { strides: readonly number[]; pad: readonly (readonly number[])[] };
  const inBlocks = inChannels! % block === 0 && outChannels! % block === 0;
  return inBlocks && kh === 3 && kw === 3 && [...steps, ...margins.flat()].every((n) => n === 1);
}

type Emit = (
  op: string,
  inputs: Readonly<Record<string, Value>>,
  attrs: Node['attrs'],
  shape: readonly number[],
) => Value;

/**
 * Adds nodes with one float32 output that inherit the scope and call site of `node`, and if they are convolutions its
 * precision. The products with `spread` are sums, and remain float32.
 */
const emitterAs =
  ({ callSite, scope, precision }: Node, builder: GraphBuilder): Emit =>
  (op, inputs, attrs, shape) => {
    const output: TensorSpec = { shape, dtype: 'float32' };
    const call = { op, inputs: Object.values(inputs), inputNames: Object.keys(inputs), attrs, callSite, scope };
    return builder.emit(op.startsWith('DmConv2D') ? { ...call, precision } : call, [output])[0]!;
  };

/** [3, 3, I, O] → [4, 4, O, I]. */
function spreadFilter(filter: Value, emit: Emit): Value {
  const [, , i, o] = filter.shape as [number, number, number, number];
  const taps = emit('Reshape', { x: filter }, { shape: [9, i, o] }, [9, i, o]);
  const swapped = emit('Transpose', { x: taps }, { perm: [0, 2, 1] }, [9, o, i]);
  const rows = emit('Reshape', { x: swapped }, { shape: [9, o * i] }, [9, o * i]);
  const sums = emit('Const', {}, { data: spread }, [16, 9]);
  const spreadRows = emit('BatchMatMul', { a: sums, b: rows }, { transposeA: false, transposeB: false }, [16, o * i]);
  return emit('Reshape', { x: spreadRows }, { shape: [4, 4, o, i] }, [4, 4, o, i]);
}

/** Gathers the gradient of the 3x3 filter, [3, 3, I, O], from the gradient of its 4x4 sums, [4, 4, O, I]. */
function gatherFilter(gradient: Value, emit: Emit): Value {
  const [, , o, i] = gradient.shape as [number, number, number, number];
  const rows = emit('Reshape', { x: gradient }, { shape: [16, o * i] }, [16, o * i]);
  const sums = emit('Const', {}, { data: spread }, [16, 9]);
  const gathered = emit('BatchMatMul', { a: sums, b: rows }, { transposeA: true, transposeB: false }, [9, o * i]);
  const taps = emit('Reshape', { x: gathered }, { shape: [9, o, i] }, [9, o, i]);
  const swapped = emit('Transpose', { x: taps }, { perm: [0, 2, 1] }, [9, i, o]);
  return emit('Reshape', { x: swapped }, { shape: [3, 3, i, o] }, [3, 3, i, o]);
}
