/** How images of any size come to the size that a network takes. */
import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import { EvalError } from '../errors.js';
import type { ImageBytes } from './feature-extractor.js';

/**
 * `antialiased`: bicubic, with the kernel widened where images shrink, by sharp; results are rounded to bytes.
 * `bilinear`: as pytorch-fid does it, without antialiasing, so that shrunk images alias. They differ enough to move a
 * Fréchet distance (Parmar et al. 2022, arXiv:2104.11222), which is why a result carries the method.
 */
export type ResizeMethod = 'antialiased' | 'bilinear';

export const resizeMethods: readonly ResizeMethod[] = ['antialiased', 'bilinear'];

/** What an extractor's `resize` says. */
export function resizeName(method: ResizeMethod, size: number): string {
  return method === 'antialiased' ? `antialiased bicubic ${size}x${size}` : `bilinear ${size}x${size}`;
}

/** Images of `size` x `size`, antialiased; of another aspect they are stretched. Those that fit are returned as they are. */
export async function resizeAntialiased(images: ImageBytes, size: number): Promise<ImageBytes> {
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
