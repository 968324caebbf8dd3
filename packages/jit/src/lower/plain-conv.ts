import type { convAttrs, Pad } from './conv-geometry.js';
import type { LoweringContext } from './context.js';

/** Heights and widths, [H, W]. */
export interface ConvSizes {
  readonly kernel: readonly number[];
  readonly image: readonly number[];
}

/**
 * A standard Conv of `operands`, in the node's precision: image [N, I, H, W], filter, and optionally a bias.
 *
 * ONNX Runtime's WebGPU provider computes a convolution with a 1x1 kernel, or with one as large as the image, as a
 * matrix product if top and left are not padded. It does not check bottom and right, and the result is wrong if those
 * are. On a device, such an image is therefore padded first.
 */
export function plainConv(
  operands: readonly string[],
  { kernel, image }: ConvSizes,
  attrs: ReturnType<typeof convAttrs>,
  ctx: LoweringContext,
): string {
  const [top, left, bottom, right] = attrs.pads.ints;
  const isPoint = kernel.every((size) => size === 1);
  const isWhole = kernel.every((size, i) => size === image[i]);
  const isMisread = top === 0 && left === 0 && (bottom > 0 || right > 0) && (isPoint || isWhole);
  if (ctx.target !== 'gpu' || !isMisread) return ctx.product('Conv', operands, { attrs });
  const [x, ...others] = operands as [string, ...string[]];
  const padded = padSpatial(
    x,
    [
      [0, bottom],
      [0, right],
    ],
    ctx,
  );
  return ctx.product('Conv', [padded, ...others], { attrs: { ...attrs, pads: { ints: [0, 0, 0, 0] } } });
}

/** Pads or crops (if negative) the two spatial axes of an NCHW tensor. */
export function padSpatial(x: string, [[top, bottom], [left, right]]: Pad, ctx: LoweringContext): string {
  if (top === 0 && bottom === 0 && left === 0 && right === 0) return x;
  return ctx.onnx.op('Pad', [x, ctx.onnx.ints([0, 0, top, left, 0, 0, bottom, right]), ctx.onnx.float(0)]);
}
