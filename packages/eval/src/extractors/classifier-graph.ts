/** A small classifier for images of one size; its last hidden layer provides features. */
import { uniform } from '@dm/core';
import { conv2d, flatLayout, groupNorm, scope, silu, type FlatLayout, type Tensors } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';

export interface ClassifierShape {
  /** [H, W, C]; C is 1 or 3. */
  readonly shape: readonly [number, number, number];
  readonly classes: number;
}

/** Size of the last hidden layer. */
export const classifierDimensions = 128;

const GROUPS = 8;
const CONVOLUTIONS = [
  { name: 'conv1', channels: 32, stride: 1 },
  { name: 'conv2', channels: 64, stride: 2 },
  { name: 'conv3', channels: 64, stride: 2 },
] as const;

/** Layout of all parameters in one vector. Kernels are HWIO, matrices [in, out]. */
export function classifierLayout({ shape: [height, width, channels], classes }: ClassifierShape): FlatLayout {
  const entries: { name: string; shape: number[]; group: string }[] = [];
  const matrix = (name: string, shape: number[]) => entries.push({ name, shape, group: 'matrix' });
  const vector = (name: string, size: number) => entries.push({ name, shape: [size], group: 'vector' });
  let [h, w, c] = [height, width, channels];
  for (const { name, channels: out, stride } of CONVOLUTIONS) {
    matrix(`${name}.weight`, [3, 3, c, out]);
    vector(`${name}.bias`, out);
    vector(`${name}.norm.weight`, out);
    vector(`${name}.norm.bias`, out);
    [h, w, c] = [Math.ceil(h / stride), Math.ceil(w / stride), out];
  }
  matrix('hidden.weight', [h * w * c, classifierDimensions]);
  vector('hidden.bias', classifierDimensions);
  matrix('classes.weight', [classifierDimensions, classes]);
  vector('classes.bias', classes);
  return flatLayout(entries);
}

/**
 * Initial parameters: kernels and matrices uniform with variance 2 / fan-in (He et al. 2015, arXiv:1502.01852), norm
 * scales 1, biases 0. Depends only on the seed and the index of each parameter.
 */
export function initializeClassifier(layout: FlatLayout, seed: number): Float32Array {
  const params = new Float32Array(layout.size);
  layout.entries.forEach(({ name, shape, offset, size, group }, index) => {
    if (name.endsWith('norm.weight')) params.fill(1, offset, offset + size);
    if (group !== 'matrix') return;
    const bound = Math.sqrt((6 * shape.at(-1)!) / size);
    uniform({ seed, stream: 'init', index }, size).forEach((u, i) => (params[offset + i] = bound * (2 * u - 1)));
  });
  return params;
}

/** images float32 [N, H, W, C] in [-1, 1] → features [N, 128], logits [N, classes]. */
export function classify(params: Tensors, images: tf.Tensor): { features: tf.Tensor; logits: tf.Tensor } {
  const x = CONVOLUTIONS.reduce(
    (y, { name, stride }) =>
      scope(name, () => {
        const z = conv2d(y, params[`${name}.weight`]!, { bias: params[`${name}.bias`]!, strides: stride });
        return silu(groupNorm(z, params[`${name}.norm.weight`]!, params[`${name}.norm.bias`]!, { groups: GROUPS }));
      }),
    images,
  );
  const flat = tf.reshape(x, [x.shape[0], params['hidden.weight']!.shape[0]]);
  const features = silu(dense(params, 'hidden', flat));
  return { features, logits: dense(params, 'classes', features) };
}

const dense = (params: Tensors, name: string, x: tf.Tensor): tf.Tensor =>
  tf.add(tf.matMul(x, params[`${name}.weight`]!), params[`${name}.bias`]!);
