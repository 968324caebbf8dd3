/** Resizing images to a network's input size. */
import { resampleImages } from '@dm/data';
import { checkChoice } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import { EvalError } from '../errors.js';
import type { ImageBytes } from './feature-extractor.js';

/**
 * - `antialiased`: bicubic as in Pillow (within 1 gray level), with the kernel widened when downscaling.
 * - `bilinear`: as pytorch-fid, without antialiasing.
 * - `libvips`: sharp's cubic, the former meaning of `antialiased`; it shifts enlarged images by half a target pixel.
 *   For runs and statistics from that time.
 *
 * The differences are large enough to change a Fréchet distance (Parmar et al. 2022, arXiv:2104.11222), so results
 * record the method.
 */
export type ResizeMethod = 'antialiased' | 'bilinear' | 'libvips';

export const resizeMethods: readonly ResizeMethod[] = ['antialiased', 'bilinear', 'libvips'];

/**
 * The value of an extractor's field `resize`. Statistics files contain these texts: never change them.
 * @throws {RangeError} if the method is unknown
 */
export function resizeName(method: ResizeMethod, size: number): string {
  checkChoice('resize', method, resizeMethods);
  const texts = { antialiased: 'Pillow bicubic', bilinear: 'bilinear', libvips: 'antialiased bicubic' };
  return `${texts[method]} ${size}x${size}`;
}

/**
 * The preprocessing that runs on bytes: resizes images to `size` x `size`, ignoring the aspect ratio. Absent for
 * `bilinear`, which is part of the network's graph.
 */
export function resizePreparation(
  method: ResizeMethod,
  size: number,
): { readonly prepare?: (images: ImageBytes) => Promise<ImageBytes> } {
  if (method === 'bilinear') return {};
  const resize = method === 'antialiased' ? resizeAntialiased : resizeLibvips;
  // oxlint-disable-next-line require-await -- so that errors reject
  return { prepare: async (images) => resize(images, size) };
}

/** The method `antialiased`. Images of this size are returned unchanged. */
export function resizeAntialiased(images: ImageBytes, size: number): ImageBytes {
  const { data, shape } = images;
  const [count, height, width, channels] = shape;
  if (height === size && width === size) return images;
  const resized = resampleImages(data, { shape, height: size, width: size, filter: 'bicubic' });
  return { data: resized, shape: [count, size, size, channels] };
}

/** The method `libvips`. Images of this size are returned unchanged. */
export async function resizeLibvips(images: ImageBytes, size: number): Promise<ImageBytes> {
  const { data, shape } = images;
  const [count, height, width, channels] = shape;
  if (height === size && width === size) return images;
  const [from, to] = [height * width * channels, size * size * channels];
  const out = new Uint8Array(count * to);
  await Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const raw = { width, height, channels: channels as 1 | 3 };
      const resized = await sharp(data.subarray(n * from, (n + 1) * from), { raw })
        .resize(size, size, { fit: 'fill', kernel: 'cubic' })
        .toColorspace(channels === 1 ? 'b-w' : 'srgb') // otherwise sharp returns gray as three channels
        .raw()
        .toBuffer({ resolveWithObject: true });
      if (resized.info.channels !== channels) {
        throw new EvalError(
          'IMAGES_UNSUPPORTED',
          `sharp returned ${resized.info.channels} channels instead of ${channels}.`,
        );
      }
      out.set(resized.data, n * to);
    }),
  );
  return { data: out, shape: [count, size, size, channels] };
}

/**
 * Bilinear resize without antialiasing, as torch.nn.functional.interpolate(mode='bilinear', align_corners=False):
 * float32 [N, H, W, C] → [N, size, size, C], as one matrix product per axis.
 */
export function resizeBilinear(images: tf.Tensor4D, size: number): tf.Tensor4D {
  const [n, height, width, channels] = images.shape;
  if (height === size && width === size) return images;
  const planes = tf.reshape(tf.transpose(images, [0, 3, 1, 2]), [n * channels * height, width]);
  const across = tf.matMul(planes, interpolation(width, size), false, true);
  const stacked = tf.reshape(across, [n * channels, height, size]);
  const down = tf.matMul(tf.reshape(interpolation(height, size), [1, size, height]), stacked);
  return tf.transpose(tf.reshape(down, [n, channels, size, size]), [0, 2, 3, 1]);
}

/** [to, from]: row i has the weights of the two samples nearest to the center of target pixel i. */
function interpolation(from: number, to: number): tf.Tensor2D {
  const weights = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const low = Math.min(Math.floor(at), from - 1);
    const high = Math.min(low + 1, from - 1);
    weights[i * from + low]! += 1 - (at - low);
    weights[i * from + high]! += at - low;
  }
  return tf.tensor2d(weights, [to, from]);
}

/** Repeats the channel of gray images three times. */
export function asRgb(images: tf.Tensor4D): tf.Tensor4D {
  return images.shape[3] === 1 ? tf.concat([images, images, images], 3) : images;
}
