/**
 * The loss of the denoiser that is optimal for a finite set of images, their posterior mean:
 *
 *   E[x_0 | x_t] = sum_j w_j x_j,   w_j ∝ exp(-|x_t - alpha x_j|^2 / (2 sigma^2))
 *
 * It is what a network that fits its training images perfectly computes. On other images its loss is a bound near pure
 * noise; with little noise it returns the nearest training image, and its loss says how far a network that memorizes is off.
 */
import { float32, type Engine, type Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';

/** Images in rows, float32 [N, D]. */
export interface ImageRows {
  readonly values: Float32Array;
  readonly dimension: number;
}

export interface PosteriorMeanOptions {
  /** The images that the posterior is over, in blocks of any size; read once. */
  readonly blocks: AsyncIterable<ImageRows>;
  /** Clean images [Q, D], and the standard normal noise [Q, D] that is added to them. */
  readonly images: ImageRows;
  readonly noise: Float32Array;
  /** The log-SNR of each image, [Q]. */
  readonly logSnrs: ArrayLike<number>;
  /** Compute engine of the matrix products. */
  readonly engine: Engine;
}

/** Rows of a block that the engine processes at a time. */
const blockRows = 1024;

/**
 * The squared error of epsilon of the posterior mean, averaged over the values of each image: [Q].
 * @throws {RangeError} if the sizes of images, noise, and log-SNRs do not match
 */
export async function posteriorMeanLosses(options: PosteriorMeanOptions): Promise<Float64Array> {
  const { blocks, images, noise, logSnrs, engine } = options;
  const { dimension } = images;
  const count = logSnrs.length;
  if (images.values.length !== count * dimension || noise.length !== images.values.length) {
    throw new RangeError(
      `posteriorMeanLosses: ${images.values.length} values of images and ${noise.length} of noise for ${count} images of ` +
        `${dimension} values.`,
    );
  }
  // All in units of the image: y = x_t / alpha = x_0 + eps / sqrt(SNR).
  const noisy = images.values.map((value, i) => value + noise[i]! / Math.exp(logSnrs[Math.floor(i / dimension)]! / 2));
  const snr = Float32Array.from({ length: count }, (_, q) => Math.exp(logSnrs[q]!));
  const program = engine.compile(accumulateBlock, { name: 'posterior mean' });
  const state = await program.load({
    noisy: float32(noisy, [count, dimension]),
    snr: float32(snr, [count, 1]),
    largest: float32(new Float32Array(count).fill(-1e30), [count, 1]),
    total: float32(new Float32Array(count), [count, 1]),
    weighted: float32(new Float32Array(count * dimension), [count, dimension]),
  });
  try {
    for await (const { values } of blocks) {
      for (let at = 0; at < values.length; at += blockRows * dimension) {
        await program.run(state, paddedBlock(values.subarray(at, at + blockRows * dimension), dimension));
      }
    }
    const { weighted, total } = await state.read(['weighted', 'total']);
    return Float64Array.from({ length: count }, (_, q) => {
      let sum = 0;
      for (let i = q * dimension; i < (q + 1) * dimension; i++) {
        sum += (weighted!.data[i]! / total!.data[q]! - images.values[i]!) ** 2;
      }
      return (Math.exp(logSnrs[q]!) * sum) / dimension;
    });
  } finally {
    state.dispose();
    await program.dispose();
  }
}

/** A block of exactly `blockRows` images, [blockRows, D]; missing ones have weight 0. */
function paddedBlock(values: Float32Array, dimension: number) {
  const images = new Float32Array(blockRows * dimension);
  images.set(values);
  const halfSquares = new Float32Array(blockRows).fill(0);
  const absent = new Float32Array(blockRows);
  for (let j = 0; j < blockRows; j++) {
    if (j * dimension >= values.length) {
      absent[j] = -1e30;
      continue;
    }
    let sum = 0;
    for (let i = j * dimension; i < (j + 1) * dimension; i++) sum += values[i]! ** 2;
    halfSquares[j] = sum / 2;
  }
  return {
    images: float32(images, [blockRows, dimension]),
    halfSquares: float32(halfSquares, [1, blockRows]),
    absent: float32(absent, [1, blockRows]),
  };
}

/** Adds a block to the running softmax: log w_j = SNR (y · x_j - |x_j|^2 / 2) + const. */
const accumulateBlock: Program = (state, inputs) => {
  const { noisy, snr, largest, total, weighted } = state;
  const { images, halfSquares, absent } = inputs;
  const scores = tf.sub(tf.matMul(noisy!, images!, false, true), halfSquares!);
  const logits = tf.add(tf.mul(snr!, scores), absent!);
  const next = tf.maximum(largest!, tf.max(logits, 1, true));
  const shrink = tf.exp(tf.sub(largest!, next));
  const weights = tf.exp(tf.sub(logits, next));
  return {
    state: {
      largest: next,
      total: tf.add(tf.mul(total!, shrink), tf.sum(weights, 1, true)),
      weighted: tf.add(tf.mul(weighted!, shrink), tf.matMul(weights, images!)),
    },
    outputs: {},
  };
};
