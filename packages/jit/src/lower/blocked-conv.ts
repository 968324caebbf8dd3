import type { OnnxAttr, OnnxModel } from '../onnx/proto.js';
import { Lowering } from './lowering.js';

/**
 * ONNX Runtime's CPU provider has, for its own optimiser, convolutions on blocked tensors: channels in blocks of 8 or
 * 16, as wide as the processor's vectors, the block innermost. A graph may use them directly, with a filter that is
 * computed in the same step, which that optimiser never does. The block size is the processor's secret, so the engine
 * finds it by trying (`blockedProbe`), and a graph with such nodes is for this machine only.
 */
const DOMAIN = 'com.microsoft.nchwc';

export interface BlockedConv {
  /** [N, I, H, W] and the filter as TF.js has it, [taps, I, O] with taps = kh · kw. */
  readonly x: string;
  readonly filter: string;
  readonly bias?: string | undefined;
  /** Which channel axis of `filter` the convolution sums over: its second (I) or its third (O, for dx). */
  readonly over: 'in' | 'out';
  readonly kernel: readonly [number, number];
  readonly inChannels: number;
  readonly outChannels: number;
  readonly attrs: Readonly<Record<string, OnnxAttr>>;
}

export const blockable = (ctx: Lowering, inChannels: number, outChannels: number): boolean =>
  ctx.block > 0 && inChannels % ctx.block === 0 && outChannels % ctx.block === 0;

/** Channels first in, channels first out; the reorders cost little beside what the convolution gains. */
export function blockedConv(conv: BlockedConv, ctx: Lowering): string {
  const { block: b } = ctx;
  const [kh, kw] = conv.kernel;
  const blocksIn = conv.inChannels / b;
  const blocksOut = conv.outChannels / b;
  // [taps, I / b, b, O / b, b] → [kept / b, summed / b, taps, b summed, b kept]. The blocks go to their places first and
  // are then turned, where they must be: in one Transpose that is several times slower.
  const summedFirst = conv.over === 'in';
  const apart = ctx.reshape(conv.filter, [
    kh * kw,
    ...(summedFirst ? [blocksIn, b, blocksOut, b] : [blocksOut, b, blocksIn, b]),
  ]);
  const placed = ctx.transpose(apart, summedFirst ? [3, 1, 0, 2, 4] : [1, 3, 0, 2, 4]);
  const blocks = summedFirst
    ? placed
    : ctx.transpose(ctx.reshape(placed, [kh * kw * blocksIn * blocksOut, b, b]), [0, 2, 1]);
  const filter = ctx.reshape(blocks, [conv.outChannels, conv.inChannels, kh, kw]);
  const operands = [conv.x, filter, ...(conv.bias === undefined ? [] : [conv.bias])];
  const attrs = { ...conv.attrs, kernel_shape: { ints: [kh, kw] }, group: { int: 1 } };
  return convOverBlocks(operands, conv.outChannels, attrs, ctx);
}

/** The convolution of `x`, channels first, with a filter that is in blocks already, and a bias; channels first again. */
export function convOverBlocks(
  [x, ...others]: readonly string[],
  outChannels: number,
  attrs: Readonly<Record<string, OnnxAttr>>,
  { onnx }: Lowering,
): string {
  const blocks = onnx.op('ReorderInput', [x!], { domain: DOMAIN });
  const y = onnx.op('Conv', [blocks, ...others], { domain: DOMAIN, attrs });
  return onnx.op('ReorderOutput', [y], { domain: DOMAIN, attrs: { channels: { int: outChannels } } });
}

/** A tiny convolution done both ways: inputs `x` and `filter` of the given shapes, outputs `plain` and `blocked`. */
export function blockedProbe(block: number): { model: OnnxModel; shapes: Record<'x' | 'filter', number[]> } {
  const ctx = new Lowering({ block });
  const [inChannels, outChannels] = [2 * block, block];
  const shapes = { x: [1, inChannels, 3, 3], filter: [9, inChannels, outChannels] };
  const attrs = { pads: { ints: [1, 1, 1, 1] }, strides: { ints: [1, 1] }, dilations: { ints: [1, 1] } };
  const kernel = ctx.reshape(ctx.transpose('filter', [2, 1, 0]), [outChannels, inChannels, 3, 3]);
  ctx.onnx.output('plain', ctx.onnx.op('Conv', ['x', kernel], { attrs }));
  const conv = { x: 'x', filter: 'filter', over: 'in', kernel: [3, 3], inChannels, outChannels, attrs } as const;
  ctx.onnx.output('blocked', blockedConv(conv, ctx));
  const info = (name: string, dims: readonly number[]) => ({ name, type: 'float32' as const, dims });
  const model = {
    ...ctx.model('probe'),
    inputs: Object.entries(shapes).map(([name, dims]) => info(name, dims)),
    outputs: ['plain', 'blocked'].map((name) => info(name, [1, outChannels, 3, 3])),
  };
  return { model, shapes };
}
