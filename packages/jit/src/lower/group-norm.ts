import { input, type KernelCall, sizeOf, specOf, type Value } from '../graph/graph.js';
import type { Kernel, LoweringContext } from './context.js';

/** [N, ..., C] as N images of G groups, each with C / G channels of S positions. */
interface Extent {
  readonly n: number;
  readonly groups: number;
  readonly channels: number;
  readonly positions: number;
}

function extent(x: Value, call: KernelCall): Extent {
  const n = x.shape[0]!;
  const channels = x.shape.at(-1)!;
  return { n, groups: call.attrs['groups'] as number, channels, positions: sizeOf(x.shape) / (n * channels) };
}

/** x with channels first: [N, C, H, W] if it is an image, otherwise [N, C, S]. */
function channelsFirst(x: Value, { n, channels, positions }: Extent, ctx: LoweringContext): string {
  if (x.shape.length === 4) return ctx.get(x, 'NCHW');
  return ctx.transpose(ctx.reshape(ctx.get(x), [n, positions, channels]), [0, 2, 1]);
}

/** The extents of positions in `channelsFirst`. */
const extents = ({ shape }: Value): readonly number[] =>
  shape.length === 4 ? shape.slice(1, 3) : [sizeOf(shape.slice(1, -1))];

/** Names a result that is shaped as `channelsFirst`. */
function setChannelsFirst(value: Value, name: string, ctx: LoweringContext): void {
  if (value.shape.length === 4) ctx.set(value, name, 'NCHW');
  else ctx.set(value, ctx.reshape(ctx.transpose(name, [0, 2, 1]), value.shape));
}

/**
 * One row per group, normalized by LayerNormalization, which also returns mean and 1 / deviation; then scale and
 * offset.
 */
const groupNorm: Kernel = {
  infer: (call) => {
    const x = input(call, 'x');
    const statistics = { shape: [x.shape[0]!, call.attrs['groups'] as number], dtype: 'float32' } as const;
    return [specOf(x), statistics, statistics];
  },
  lower(node, ctx) {
    const x = input(node, 'x');
    const e = extent(x, node);
    const { onnx } = ctx;
    const size = (e.channels / e.groups) * e.positions;
    const rows = ctx.reshape(channelsFirst(x, e, ctx), [e.n, e.groups, size]);
    const [normalized, mean, invStd] = onnx.ops(
      'LayerNormalization',
      [rows, onnx.floats(new Float32Array(size).fill(1))],
      {
        attrs: { axis: { int: -1 }, epsilon: { float: node.attrs['epsilon'] as number } },
        outputs: 3,
      },
    );
    const ones = extents(x).map(() => 1);
    const column = (name: string) => ctx.reshape(ctx.get(input(node, name)), [e.channels, ...ones]);
    const byChannel = ctx.reshape(normalized!, [e.n, e.channels, ...extents(x)]);
    const y = onnx.op('Add', [onnx.op('Mul', [byChannel, column('scale')]), column('offset')]);
    setChannelsFirst(node.outputs[0]!, y, ctx);
    ctx.set(node.outputs[1]!, ctx.reshape(mean!, [e.n, e.groups]));
    ctx.set(node.outputs[2]!, ctx.reshape(invStd!, [e.n, e.groups]));
  },
};

/**
 * With xh = (x - mean) invStd and D elements in a group,
 *
 *   dx = invStd (g dy - mean_D(g dy) - xh mean_D(g dy xh))
 *
 * is one affine combination A dy + B x + C. Its coefficients, one per channel or group, follow from the sums of dy and
 * of dy x over the positions of each channel. No normalized copy of x is stored or recomputed.
 */
const groupNormGrad: Kernel = {
  infer: (call) => [specOf(input(call, 'x')), specOf(input(call, 'scale')), specOf(input(call, 'scale'))],
  lower(node, ctx) {
    const { onnx } = ctx;
    const mul = (a: string, b: string) => onnx.op('Mul', [a, b]);
    const add = (a: string, b: string) => onnx.op('Add', [a, b]);
    const sub = (a: string, b: string) => onnx.op('Sub', [a, b]);
    const x = input(node, 'x');
    const e = extent(x, node);
    const inGroup = e.channels / e.groups;
    const channelsOf = (name: string) => ctx.reshape(name, [e.n, e.groups, inGroup, e.positions]);
    const xs = channelsOf(channelsFirst(x, e, ctx));
    const dys = channelsOf(channelsFirst(input(node, 'dy'), e, ctx));
    // Coefficients are [N, G, channels in the group] or [N, G, 1], without a last axis for positions: ReduceSum over an
    // axis that is not the last one takes 77 us for 512 sums of 4 or 8 values, and 4 us over the last one.
    const ofGroup = (name: string) => ctx.reshape(ctx.get(input(node, name)), [e.n, e.groups, 1]);
    const mean = ofGroup('mean');
    const invStd = ofGroup('invStd');
    const scale = ctx.reshape(ctx.get(input(node, 'scale')), [1, e.groups, inGroup]);

    const sumDy = ctx.sum(dys, [3], false);
    const sumDyX = ctx.sum(mul(dys, xs), [3], false);
    const sumDyXh = mul(sub(sumDyX, mul(mean, sumDy)), invStd);
    const flat = (name: string) => ctx.reshape(ctx.sum(name, [0], false), [e.channels]);

    const a = mul(invStd, scale);
    const perElement = mul(a, onnx.float(1 / (inGroup * e.positions)));
    const meanOf = (name: string) => ctx.sum(mul(perElement, name), [2], true);
    const b = mul(meanOf(sumDyXh), invStd);
    const c = sub(mul(b, mean), meanOf(sumDy));
    const perChannel = ctx.reshape(a, [e.n, e.groups, inGroup, 1]);
    const perGroup = (name: string) => ctx.reshape(name, [e.n, e.groups, 1, 1]);
    const dx = add(sub(mul(dys, perChannel), mul(xs, perGroup(b))), perGroup(c));
    setChannelsFirst(node.outputs[0]!, ctx.reshape(dx, [e.n, e.channels, ...extents(x)]), ctx);
    ctx.set(node.outputs[1]!, flat(sumDyXh));
    ctx.set(node.outputs[2]!, flat(sumDy));
  },
};

export const groupNormKernels: Readonly<Record<string, Kernel>> = {
  DmGroupNorm: groupNorm,
  DmGroupNormGrad: groupNormGrad,
};
