import * as tf from '@tensorflow/tfjs-core';
import { checkInteger, checkShape } from './checks.js';
import { customOp, emit } from './custom-op.js';
import type { Pad2D } from './kernels.js';

export interface Conv2DOptions {
  /** [O], added to each output pixel. */
  readonly bias?: tf.Tensor;
  /** One integer, or [height, width]. Default 1. */
  readonly strides?: number | readonly [number, number];
  /**
   * Zero padding of x: one number for all four sides, or [[top, bottom], [left, right]]. Default `'same'`: (k - 1) / 2
   * on each side for odd kernels at any stride, as in PyTorch (TensorFlow's SAME pads differently at stride 2).
   */
  readonly pad?: 'same' | number | readonly [readonly [number, number], readonly [number, number]];
}

/**
 * 2-D convolution (cross-correlation). The filter gradient is computed with patches and a matrix product, since TF.js's
 * wasm backend does not implement it.
 *
 * x float32 [N, H, W, I], filter [kh, kw, I, O] → y [N, Ho, Wo, O], with
 * Ho = floor((H + top + bottom - kh) / stride) + 1, and Wo likewise.
 * @throws {TypeError} if a tensor is not float32
 * @throws {RangeError} if a shape is wrong, the kernel is even and `pad` is `'same'`, or the kernel is larger than the
 *   padded image
 */
export function conv2d(x: tf.Tensor, filter: tf.Tensor, options: Conv2DOptions = {}): tf.Tensor {
  const { bias } = options;
  checkShape('conv2d: x', x, ['N', 'H', 'W', 'I']);
  checkShape('conv2d: filter', filter, ['kh', 'kw', x.shape[3]!, 'O']);
  if (bias !== undefined) checkShape('conv2d: bias', bias, [filter.shape[3]!]);
  const strides = stridesOf(options.strides ?? 1);
  const pad = padOf(options.pad ?? 'same', filter.shape);
  for (const i of [0, 1] as const) {
    const padded = x.shape[i + 1]! + pad[i][0] + pad[i][1];
    if (filter.shape[i]! > padded) {
      const side = ['height', 'width'][i]!;
      throw new RangeError(
        `conv2d: filter ${side} must be at most the padded image's, ${padded}, got ${filter.shape[i]}`,
      );
    }
  }
  return customOp(
    'conv2d',
    bias ? [x, filter, bias] : [x, filter],
    () => {
      const inputs = { x, filter, ...(bias && { bias }) };
      const [y] = emit('DmConv2D', inputs, { strides, pad }, () => {
        const product = tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides, [[0, 0], ...pad, [0, 0]]);
        return [bias ? tf.add(product, bias) : product];
      });
      return { y, saved: [x, filter] };
    },
    (dy, saved: [tf.Tensor, tf.Tensor]) => {
      const both = gradients(dy, saved, strides, pad);
      return bias ? [...both, tf.sum(dy, [0, 1, 2])] : both;
    },
  );
}

function gradients(
  dy: tf.Tensor,
  [x, filter]: [tf.Tensor, tf.Tensor],
  strides: [number, number],
  pad: Pad2D,
): [dx: tf.Tensor, dfilter: tf.Tensor] {
  const inputShape = x.shape as Shape4;
  const filterShape = filter.shape as Shape4;
  const [dx] = emit('DmConv2DGradInput', { dy, filter }, { strides, pad, inputShape }, () => [
    gradInput(dy, filter, strides, pad, inputShape),
  ]);
  const [dfilter] = emit('DmConv2DGradFilter', { x, dy }, { strides, pad, filterShape }, () => [
    gradFilter(x, dy, strides, pad, filterShape),
  ]);
  return [dx, dfilter];
}

type Shape4 = [number, number, number, number];

function stridesOf(strides: number | readonly [number, number]): [number, number] {
  const [height, width] = typeof strides === 'number' ? [strides, strides] : strides;
  checkInteger('conv2d: strides', height, 1);
  checkInteger('conv2d: strides', width, 1);
  return [height, width];
}

function padOf(pad: NonNullable<Conv2DOptions['pad']>, [kh, kw]: readonly number[]): Pad2D {
  if (pad === 'same') {
    if (kh! % 2 === 0 || kw! % 2 === 0) {
      throw new RangeError(
        `conv2d: pad 'same' requires an odd kernel, got ${kh} × ${kw}; pass [[top, bottom], [left, right]]`,
      );
    }
    const [h, w] = [(kh! - 1) / 2, (kw! - 1) / 2];
    return [
      [h, h],
      [w, w],
    ];
  }
  const [h, w] = typeof pad === 'number' ? [[pad, pad] as const, [pad, pad] as const] : pad;
  for (const side of [...h, ...w]) checkInteger('conv2d: pad', side, 0);
  return [
    [h[0], h[1]],
    [w[0], w[1]],
  ];
}

/**
 * dx[i] = Σ_k dy[(i + pad - k) / stride] filterᵀ[k], over the k for which the division is exact. Computed as a "valid"
 * convolution of dy, with stride - 1 zeros inserted after each pixel and padded, with the filter rotated by 180° and
 * its channels swapped.
 */
function gradInput(dy: tf.Tensor, filter: tf.Tensor, strides: [number, number], pad: Pad2D, inputShape: Shape4) {
  const spread = insertZeros(dy, strides);
  const margins = ([0, 1] as const).map((i) => {
    const before = filter.shape[i]! - 1 - pad[i][0];
    return [before, inputShape[i + 1]! + filter.shape[i]! - 1 - before - spread.shape[i + 1]!];
  }) as Pad2D;
  const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]);
  return tf.conv2d(padOrCrop(spread, margins) as tf.Tensor4D, turned as tf.Tensor4D, 1, 'valid');
}

/**
 * [N, H, W, C] → [N, H sh, W sw, C]: inserts zeros after each pixel. Pads rank 4 only, which every backend supports.
 */
function insertZeros(x: tf.Tensor, [sh, sw]: [number, number]): tf.Tensor {
  const [n, h, w, c] = x.shape as Shape4;
  const stretch = (t: tf.Tensor, shape: Shape4, stride: number) =>
    stride === 1
      ? t
      : tf.pad(tf.reshape(t, shape), [
          [0, 0],
          [0, 0],
          [0, stride - 1],
          [0, 0],
        ]);
  const wide = stretch(x, [n * h, w, 1, c], sw);
  return tf.reshape(stretch(wide, [n, h, 1, w * sw * c], sh), [n, h * sh, w * sw, c]);
}

/** Pads height and width with zeros; a negative margin crops. */
function padOrCrop(x: tf.Tensor, margins: Pad2D): tf.Tensor {
  const positive = margins.map(([a, b]) => [Math.max(a, 0), Math.max(b, 0)]) as Pad2D;
  const padded = positive.flat().some((m) => m > 0) ? tf.pad(x, [[0, 0], ...positive, [0, 0]]) : x;
  if (margins.flat().every((m) => m >= 0)) return padded;
  const cut = margins.map(([a, b]) => [Math.max(-a, 0), Math.max(-b, 0)]) as Pad2D;
  const begin = [0, cut[0][0], cut[1][0], 0];
  const [n, h, w, c] = padded.shape as Shape4;
  return tf.slice(padded, begin, [n, h - cut[0][0] - cut[0][1], w - cut[1][0] - cut[1][1], c]);
}

/**
 * dfilter[a, b] = Σ over n, i, j of x[n, i sh + a, j sw + b, :]ᵀ dy[n, i, j, :], computed as one matrix product: the
 * kh kw shifted copies of x (channels first, stacked) times dy. Both operands are passed untransposed, because the wasm
 * backend's matMul is slow for transposed ones.
 */
function gradFilter(x: tf.Tensor, dy: tf.Tensor, [sh, sw]: [number, number], pad: Pad2D, filterShape: Shape4) {
  const [kh, kw, inChannels, outChannels] = filterShape;
  const [n, height, width] = dy.shape as Shape4;
  const columns = n * height * width;
  const channelsFirst = tf.transpose(padOrCrop(x, pad), [3, 0, 1, 2]); // [I, N, H, W]
  const patches: tf.Tensor2D[] = [];
  for (let a = 0; a < kh; a++) {
    for (let b = 0; b < kw; b++) {
      const end = [inChannels, n, a + (height - 1) * sh + 1, b + (width - 1) * sw + 1];
      const patch = tf.stridedSlice(channelsFirst, [0, 0, a, b], end, [1, 1, sh, sw]);
      patches.push(tf.reshape(patch, [inChannels, columns]));
    }
  }
  const product = tf.matMul(tf.concat(patches, 0), tf.reshape(dy, [columns, outChannels]));
  return tf.reshape(product, filterShape);
}
