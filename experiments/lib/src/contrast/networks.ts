/** The networks of the GAN and the VAE: a shared decoder, and an encoder or discriminator. */
import { normalBatch, uniform } from '@dm/core';
import {
  conv2d,
  type Engine,
  type FlatLayout,
  flatLayout,
  float32,
  groupNorm,
  type NdArray,
  silu,
  splitFlat,
  type Tensors,
  upsampleNearest,
} from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';

/** Dimension of the latents. */
export const LATENT_SIZE = 16;

/** [H, W, C]; H and W must be divisible by 4. */
export type ImageShape = readonly [number, number, number];

const GROUPS = 8;
/** Channels of the decoder at 1/4, 1/2, and full resolution. */
const DECODER = [64, 32, 16] as const;
/** Channels and strides of the encoder. */
const ENCODER = [
  { channels: 16, stride: 1 },
  { channels: 32, stride: 2 },
  { channels: 64, stride: 2 },
] as const;

type Entries = Parameters<typeof flatLayout>[0][number][];

function layer(name: string, shape: readonly number[]): Entries {
  return [
    { name: `${name}.weight`, shape, group: 'matrix' },
    { name: `${name}.bias`, shape: [shape.at(-1)!], group: 'vector' },
  ];
}

function norm(name: string, channels: number): Entries {
  return ['scale', 'offset'].map((part) => ({ name: `${name}.${part}`, shape: [channels], group: 'vector' }));
}

/**
 * Layout of the parameters of `decode`.
 * @throws {RangeError} if height or width is not divisible by 4
 */
export function decoderLayout([height, width, channels]: ImageShape): FlatLayout {
  if (height % 4 !== 0 || width % 4 !== 0) {
    throw new RangeError(`decoderLayout: height and width must be divisible by 4, got ${height}x${width}.`);
  }
  const [quarter, half, whole] = DECODER;
  return flatLayout([
    ...layer('dense', [LATENT_SIZE, (height / 4) * (width / 4) * quarter]),
    ...norm('norm1', quarter),
    ...layer('conv1', [3, 3, quarter, half]),
    ...norm('norm2', half),
    ...layer('conv2', [3, 3, half, whole]),
    ...norm('norm3', whole),
    ...layer('pixels', [3, 3, whole, channels]),
  ]);
}

/** Decodes latents [N, 16] to pixel logits [N, H, W, C]. */
export function decode(p: Tensors, latents: tf.Tensor, [height, width]: ImageShape): tf.Tensor {
  const activated = (x: tf.Tensor, name: string) =>
    silu(groupNorm(x, p[`${name}.scale`]!, p[`${name}.offset`]!, { groups: GROUPS }));
  const conv = (x: tf.Tensor, name: string) => conv2d(x, p[`${name}.weight`]!, { bias: p[`${name}.bias`]! });
  const first = tf.add(tf.matMul(latents, p['dense.weight']!), p['dense.bias']!);
  const quarter = activated(tf.reshape(first, [latents.shape[0], height / 4, width / 4, DECODER[0]]), 'norm1');
  const half = activated(conv(upsampleNearest(quarter), 'conv1'), 'norm2');
  return conv(activated(conv(upsampleNearest(half), 'conv2'), 'norm3'), 'pixels');
}

/** Layout of the parameters of `encode`. */
export function encoderLayout([height, width, channels]: ImageShape, outputs: number): FlatLayout {
  let inputs = channels;
  let pixels = height * width;
  const convolutions = ENCODER.flatMap(({ channels: out, stride }, i) => {
    const entries = layer(`conv${i + 1}`, [3, 3, inputs, out]);
    inputs = out;
    pixels /= stride * stride;
    return entries;
  });
  return flatLayout([...convolutions, ...layer('dense', [pixels * inputs, outputs])]);
}

/** Encodes images, [N, H, W, C] in [-1, 1] → [N, outputs]. `activation` follows each convolution. */
export function encode(
  p: Tensors,
  images: tf.Tensor,
  activation: (x: tf.Tensor) => tf.Tensor = (x) => tf.leakyRelu(x, 0.2),
): tf.Tensor {
  const x = ENCODER.reduce(
    (y, { stride }, i) =>
      activation(conv2d(y, p[`conv${i + 1}.weight`]!, { bias: p[`conv${i + 1}.bias`]!, strides: stride })),
    images,
  );
  const flat = tf.reshape(x, [images.shape[0], p['dense.weight']!.shape[0]]);
  return tf.add(tf.matMul(flat, p['dense.weight']!), p['dense.bias']!);
}

/**
 * Initial parameters: uniform weights with variance 2 / fan-in (He et al. 2015, arXiv:1502.01852), scales 1, all others
 * 0. They depend only on seed, lane, and the index of the parameter. Each network of a model uses a different `lane`.
 */
export function initialWeights(layout: FlatLayout, seed: number, lane: number): Float32Array {
  const params = new Float32Array(layout.size);
  layout.entries.forEach(({ name, shape, offset, size, group }, index) => {
    if (name.endsWith('scale')) params.fill(1, offset, offset + size);
    if (group !== 'matrix') return;
    const bound = Math.sqrt((6 * shape.at(-1)!) / size);
    uniform({ seed, stream: 'init', index, lane }, size).forEach((u, i) => (params[offset + i] = bound * (2 * u - 1)));
  });
  return params;
}

export interface Decoder {
  /** Images, [count, H, W, C] in [-1, 1], from decoder weights and `sharedLatents`. */
  samples(decoder: Float32Array, count: number): Promise<NdArray>;
  /** Images, [N, H, W, C] in [-1, 1], from decoder weights and latents [N, 16]. */
  decode(decoder: Float32Array, latents: NdArray): Promise<NdArray>;
  dispose(): Promise<void>;
}

/** Seed of the latents, different from the seeds of training. */
const SEED = 79_462_404;

/** The latents that samples of all models use: [count, 16]. */
export function sharedLatents(count: number): NdArray {
  const indices = Array.from({ length: count }, (_, i) => i);
  return normalBatch({ seed: SEED, stream: 'sample', step: 0, indices }, [LATENT_SIZE]);
}

/**
 * Computes images as tanh(slope * logits). Use slope 1 for a GAN, and 1/2 for the mean of a Bernoulli variable on {-1,
 * 1}.
 */
export function createDecoder(engine: Engine, shape: ImageShape, slope: number): Decoder {
  const layout = decoderLayout(shape);
  const program = engine.compile(
    (state, { latents }) => ({
      outputs: { images: tf.tanh(tf.mul(slope, decode(splitFlat(state['decoder']!, layout), latents!, shape))) },
    }),
    { name: 'decoder' },
  );
  const run = async (decoder: Float32Array, latents: NdArray): Promise<NdArray> => {
    const state = await program.load({ decoder: float32(decoder) });
    const { images } = await program.run(state, { latents });
    state.dispose();
    return images!;
  };
  return {
    samples: (decoder, count) => run(decoder, sharedLatents(count)),
    decode: run,
    dispose: () => program.dispose(),
  };
}
