/** The small networks that the GAN and the VAE are made of: one decoder for both, and one for images on the way in. */
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

/** Numbers in a latent. */
export const LATENT_SIZE = 16;

/** [H, W, C]; H and W divide by 4. */
export type ImageShape = readonly [number, number, number];

const GROUPS = 8;
/** Channels of the decoder at a quarter, at half and at the whole of the image's side. */
const DECODER = [64, 32, 16] as const;
/** Channels and strides on the way in. */
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
 * Parameters of `decode`.
 * @throws {RangeError} if the image's sides do not divide by 4
 */
export function decoderLayout([height, width, channels]: ImageShape): FlatLayout {
  if (height % 4 !== 0 || width % 4 !== 0) {
    throw new RangeError(`The decoder makes images whose sides divide by 4, not ${height}x${width}.`);
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

/** Latents [N, 16] → logits of pixels [N, H, W, C]. */
export function decode(p: Tensors, latents: tf.Tensor, [height, width]: ImageShape): tf.Tensor {
  const activated = (x: tf.Tensor, name: string) =>
    silu(groupNorm(x, p[`${name}.scale`]!, p[`${name}.offset`]!, { groups: GROUPS }));
  const conv = (x: tf.Tensor, name: string) => conv2d(x, p[`${name}.weight`]!, { bias: p[`${name}.bias`]! });
  const first = tf.add(tf.matMul(latents, p['dense.weight']!), p['dense.bias']!);
  const quarter = activated(tf.reshape(first, [latents.shape[0], height / 4, width / 4, DECODER[0]]), 'norm1');
  const half = activated(conv(upsampleNearest(quarter), 'conv1'), 'norm2');
  return conv(activated(conv(upsampleNearest(half), 'conv2'), 'norm3'), 'pixels');
}

/** Parameters of `encode`. */
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

/** Images [N, H, W, C] in [-1, 1] → [N, outputs]. */
export function encode(p: Tensors, images: tf.Tensor): tf.Tensor {
  const x = ENCODER.reduce(
    (y, { stride }, i) =>
      tf.leakyRelu(conv2d(y, p[`conv${i + 1}.weight`]!, { bias: p[`conv${i + 1}.bias`]!, strides: stride }), 0.2),
    images,
  );
  const flat = tf.reshape(x, [images.shape[0], p['dense.weight']!.shape[0]]);
  return tf.add(tf.matMul(flat, p['dense.weight']!), p['dense.bias']!);
}

/**
 * Parameters at the start: weights uniform with variance 2 / fan-in (He et al. 2015, arXiv:1502.01852), scales 1, the rest 0.
 * A function of seed, lane and each parameter's place alone; `lane` tells the networks of one model apart.
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
  /** `count` images [count, H, W, C] in [-1, 1] from the decoder's weights: the same latents at every call, for every model. */
  samples(decoder: Float32Array, count: number): Promise<NdArray>;
  dispose(): Promise<void>;
}

/** Of the latents that are sampled from: not those of any training. */
const SEED = 79_462_404;

/** Images tanh(slope logits): slope 1 for a GAN, 1/2 for the mean of a Bernoulli variable on [-1, 1]. */
export function createDecoder(engine: Engine, shape: ImageShape, slope: number): Decoder {
  const layout = decoderLayout(shape);
  const program = engine.compile(
    (state, { latents }) => ({
      outputs: { images: tf.tanh(tf.mul(slope, decode(splitFlat(state['decoder']!, layout), latents!, shape))) },
    }),
    { name: 'decoder' },
  );
  return {
    async samples(decoder, count) {
      const state = await program.load({ decoder: float32(decoder) });
      const indices = Array.from({ length: count }, (_, i) => i);
      const latents = normalBatch({ seed: SEED, stream: 'sample', step: 0, indices }, [LATENT_SIZE]);
      const { images } = await program.run(state, { latents });
      state.dispose();
      return images!;
    },
    dispose: () => program.dispose(),
  };
}
