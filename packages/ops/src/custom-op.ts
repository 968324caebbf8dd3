import * as tf from '@tensorflow/tfjs-core';
import type { DmKernel, DmKernels } from './kernels.js';

type Inputs<K extends DmKernel> = DmKernels[K]['inputs'];
type Attrs<K extends DmKernel> = DmKernels[K]['attrs'];
type Outputs<K extends DmKernel> = DmKernels[K]['outputs'];

/**
 * Runs `kernel` if the current backend registers it; otherwise computes its outputs with the TF.js ops of `compose`.
 */
export function emit<K extends DmKernel>(
  kernel: K,
  inputs: Inputs<K>,
  attrs: Attrs<K>,
  compose: () => Outputs<K>,
): Outputs<K> {
  if (tf.getKernel(kernel, tf.getBackend()) === undefined) return compose();
  const result = tf.engine().runKernel<tf.Tensor | tf.Tensor[]>(kernel, inputs, attrs);
  return (Array.isArray(result) ? result : [result]) as Outputs<K>;
}

/**
 * Defines an op with a custom gradient (`tf.customGrad`). `forward` returns the result and the tensors to save for the
 * backward pass; `gradient` maps dy to the gradient of each of `inputs`, in their order. Saved tensors are not on the
 * tape, so second derivatives would be wrong; computing one throws an error.
 */
export function customOp<Saved extends tf.Tensor[] | []>(
  op: string,
  inputs: readonly tf.Tensor[],
  forward: () => { readonly y: tf.Tensor; readonly saved: Saved },
  gradient: (dy: tf.Tensor, saved: Saved) => tf.Tensor[],
): tf.Tensor {
  const run = tf.customGrad((...args) => {
    const save = args.at(-1) as tf.GradSaveFunc;
    const { y, saved } = forward();
    save(saved);
    return {
      value: y,
      gradFunc: (dy: tf.Tensor, kept: tf.Tensor[]) => {
        // A tape that is still recording during the backward pass belongs to an outer tf.grad.
        if (tf.engine().state.gradientDepth > 0) {
          throw new Error(`${op}: second derivatives are not supported`);
        }
        // Without tidy, TF.js would free intermediates, such as conv2d's patches, only after the whole backward pass.
        return tf.tidy(() => gradient(dy, kept as Saved));
      },
    };
  });
  return run(...inputs);
}
