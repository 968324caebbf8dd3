import type { OnnxAttr } from '../onnx/proto.js';
import type { BlockedConv, FilterOfTaps, LoweringContext } from './context.js';

/**
 * ONNX Runtime's CPU provider has, for its own optimizer, convolutions on blocked tensors: channels in blocks of 8 or
 * 16 (the processor's vector width), the block innermost. A graph may use them directly, even with a filter that is
 * computed in the same step, a case that the optimizer does not handle. The block size depends on the processor and is
 * not documented, so the engine finds it by trying (`blockedProbe`). A graph with such nodes is for this machine only.
 */
const DOMAIN = 'com.microsoft.nchwc';

/** NCHW in, NCHW out; the reorders cost little compared with what the convolution gains. */
export function blockedConv(conv: BlockedConv, ctx: LoweringContext): string {
  const operands = [conv.x, blockedFilter(conv, ctx), ...(conv.bias === undefined ? [] : [conv.bias])];
  const attrs = { ...conv.attrs, kernel_shape: { ints: conv.kernel }, group: { int: 1 } };
  return convOverBlocks(operands, conv.outChannels, attrs, ctx);
}

/**
 * [taps, I / b, b, O / b, b] → [kept / b, summed / b, taps, b summed, b kept]. If blocks must be transposed, this uses
 * the operator that puts an image's channels into blocks, which is several times faster than Transpose; but of constants,
 * the runtime computes only standard operators in advance.
 */
export function blockedFilter(
  { filter, over, kernel, inChannels, outChannels }: FilterOfTaps,
  ctx: LoweringContext,
): string {
  const { block: b } = ctx;
  const [kh, kw] = kernel;
  const [blocksIn, blocksOut] = [inChannels / b, outChannels / b];
  if (over === 'in') {
    const apart = ctx.reshape(filter, [kh * kw, blocksIn, b, blocksOut, b]);
    return ctx.reshape(ctx.transpose(apart, [3, 1, 0, 2, 4]), [outChannels, inChannels, kh, kw]);
  }
  if (ctx.onnx.isConstant(filter)) {
    const apart = ctx.reshape(filter, [kh * kw, blocksOut, b, blocksIn, b]);
    return ctx.reshape(ctx.transpose(apart, [1, 3, 0, 4, 2]), [outChannels, inChannels, kh, kw]);
  }
  const turned = toBlocks(ctx.reshape(filter, [kh * kw, outChannels, 1, inChannels]), ctx);
  const apart = ctx.reshape(turned, [kh * kw, blocksOut, blocksIn, b * b]);
  return ctx.reshape(ctx.transpose(apart, [1, 2, 0, 3]), [outChannels, inChannels, kh, kw]);
}

/** Convolves `x` (NCHW) with a filter that is already blocked, and adds a bias; the result is NCHW. */
export function convOverBlocks(
  [x, ...others]: readonly string[],
  outChannels: number,
  attrs: Readonly<Record<string, OnnxAttr>>,
  ctx: LoweringContext,
): string {
  return fromBlocks(convOfBlocks([toBlocks(x!, ctx), ...others], attrs, ctx), outChannels, ctx);
}

/** [N, C, H, W] → [N, C / b, H, W, b]; ONNX's shape inference still sees the former shape. */
export const toBlocks = (x: string, { onnx }: LoweringContext): string =>
  onnx.op('ReorderInput', [x], { domain: DOMAIN });

/** The inverse of `toBlocks`. */
export const fromBlocks = (x: string, channels: number, { onnx }: LoweringContext): string =>
  onnx.op('ReorderOutput', [x], { domain: DOMAIN, attrs: { channels: { int: channels } } });

/** Convolves an image with a filter, both blocked, and adds an optional bias, in the node's precision; the result is blocked. */
export const convOfBlocks = (
  operands: readonly string[],
  attrs: Readonly<Record<string, OnnxAttr>>,
  ctx: LoweringContext,
): string => ctx.product('Conv', operands, { domain: DOMAIN, attrs });
