import * as tf from '@tensorflow/tfjs-core';
import type { DmKernel, DmKernels } from './kernels.js';

type Inputs<K extends DmKernel> = DmKernels[K]['inputs'];
type Attrs<K extends DmKernel> = DmKernels[K]['attrs'];
type Outputs<K extends DmKernel> = DmKernels[K]['outputs'];

/** Runs `kernel` as one kernel if the current backend registers it, else as the TF.js ops of `compose`. */
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
 * One `tf.customGrad`: `forward` gives the result and what its gradient needs; `gradient` gives dy's pull-back to
 * each of `inputs`, in their order. First order only: the saved statistics are off the tape, so a second derivative
 * would be wrong, and is refused.
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
          throw new Error(`${op}: a gradient of a gradient is not supported; only first derivatives are`);
        }
        // TF.js frees what a gradient made only after the whole backward pass; conv2d's patches must go sooner.
        return tf.tidy(() => gradient(dy, kept as Saved));
      },
    };
  });
  return run(...inputs);
}
