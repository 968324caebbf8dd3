/** How images of any size come to the size that a network takes. */
import { resampleImages } from '@dm/data';
import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import { EvalError } from '../errors.js';
import type { ImageBytes } from './feature-extractor.js';

/**
 * - `antialiased`: Pillow's bicubic to the byte, with the kernel widened if images shrink.
 * - `bilinear`: as pytorch-fid does it, without antialiasing, so that shrunk images alias.
 * - `libvips`: sharp's cubic, which `antialiased` meant before; it shifts enlarged images by half a target pixel. For
 *   runs and statistics from then.
 *
 * They differ enough to move a Fréchet distance (Parmar et al. 2022, arXiv:2104.11222), which is why a result carries
 * the method.
 */
export type ResizeMethod = 'antialiased' | 'bilinear' | 'libvips';

export const resizeMethods: readonly ResizeMethod[] = ['antialiased', 'bilinear', 'libvips'];

/** What an extractor's `resize` records. Statistics files hold these texts, so each stays with its method for good. */
export function resizeName(method: ResizeMethod, size: number): string {
  const texts = { antialiased: 'Pillow bicubic', bilinear: 'bilinear', libvips: 'antialiased bicubic' };
  return `${texts[method]} ${size}x${size}`;
}

/**
 * The part of a network's preparation that runs on bytes: `size` x `size` images, stretched if their aspect is another.
 * Absent for `bilinear`, which is part of the network's graph.
 */
export function resizePreparation(
  method: ResizeMethod,
  size: number,
): { readonly prepare?: (images: ImageBytes) => Promise<ImageBytes> } {
  if (method === 'bilinear') return {};
  const resize = method === 'antialiased' ? resizeAntialiased : resizeLibvips;
  // oxlint-disable-next-line require-await -- an error is to reject
  return { prepare: async (images) => resize(images, size) };
}

/** `antialiased`. Images that fit are returned as they are. */
export function resizeAntialiased(images: ImageBytes, size: number): ImageBytes {
  const { data, shape } = images;
  const [count, height, width, channels] = shape;
  if (height === size && width === size) return images;
  const resized = resampleImages(data, { shape, height: size, width: size, filter: 'bicubic' });
  return { data: resized, shape: [count, size, size, channels] };
}

/** `libvips`. Images that fit are returned as they are. */
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
        .toColorspace(channels === 1 ? 'b-w' : 'srgb') // else gray comes back as three channels
        .raw()
        .toBuffer({ resolveWithObject: true });
      if (resized.info.channels !== channels) {
        throw new EvalError('IMAGES_UNSUPPORTED', `sharp made ${resized.info.channels} channels of ${channels}.`);
      }
      out.set(resized.data, n * to);
    }),
  );
  return { data: out, shape: [count, size, size, channels] };
}

/**
 * Bilinear resize without antialiasing, torch.nn.functional.interpolate(mode='bilinear', align_corners=False):
 * float32 [N, H, W, C] → [N, size, size, C], as a product with a matrix for each axis.
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

/** [to, from]: row i has the weights of the two samples around the center of target pixel i. */
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

/** Gray images three times, so that all have three channels. */
export function asRgb(images: tf.Tensor4D): tf.Tensor4D {
  return images.shape[3] === 1 ? tf.concat([images, images, images], 3) : images;
}
