import { blockedConv, blockedFilter, convOfBlocks, convOverBlocks, fromBlocks, toBlocks } from './blocked-conv.js';
import { blockedWeightGradient, hasBlockedWeightGradient } from './blocked-weight-gradient.js';
import { type BlockedConvolutions, LoweringContext } from './context.js';
import type { OnnxModel } from '../onnx/proto.js';

/**
 * Blocked convolutions with `block` channels per block, a number that only a trial finds out: 8 or 16, as in
 * `engine.info.block`. With 0 no convolution is lowered to them.
 */
export const blockedConvolutions = (block: number): BlockedConvolutions => ({
  block,
  conv: blockedConv,
  filter: blockedFilter,
  convOfBlocks,
  convOverBlocks,
  toBlocks,
  fromBlocks,
  weightGradient: blockedWeightGradient,
  hasWeightGradient: (geometry) => hasBlockedWeightGradient(geometry, block),
});

/**
 * A tiny convolution computed both ways: inputs `x` and `filter` of the given shapes, outputs `plain` and `blocked`.
 */
export function blockedProbe(block: number): { model: OnnxModel; shapes: Record<'x' | 'filter', number[]> } {
  const ctx = new LoweringContext({ blocked: blockedConvolutions(block) });
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
