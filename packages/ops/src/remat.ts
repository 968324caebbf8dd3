import * as tf from '@tensorflow/tfjs-core';
import { checkFloat } from './checks.js';
import { customOp, emit } from './custom-op.js';
import type { Tensors } from './engine.js';

/**
 * Activation checkpointing: y = fn(inputs, parameters), of which the gradient keeps the inputs only and runs `fn` a
 * second time. The memory for what `fn` computes on its way is then needed for one such call at a time.
 * Chen et al. 2016, arXiv:1604.06174; `torch.utils.checkpoint`.
 *
 * `inputs` float32, of rank 1 at least; `parameters` float32 by name, which live on in any case. `fn` must compute y
 * from these alone: a gradient by any other tensor is lost.
 * @throws {TypeError} if a tensor is not float32
 */
export function remat(
  fn: (inputs: tf.Tensor[], parameters: Tensors) => tf.Tensor,
  inputs: readonly tf.Tensor[],
  parameters: Tensors = {},
): tf.Tensor {
  inputs.forEach((x, i) => checkFloat(`remat: inputs[${i}]`, x));
  const names = Object.keys(parameters);
  const named = (tensors: readonly tf.Tensor[]): Tensors =>
    Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
  const all = [...inputs, ...Object.values(parameters)];
  return customOp(
    'remat',
    all,
    () => ({ y: tf.tidy(() => fn([...inputs], parameters)), saved: all }),
    (dy, saved: tf.Tensor[]) => {
      // To a compiler the second run is the first one again; these stand for the inputs, but not before dy is there.
      const late = saved.slice(0, inputs.length).map((x) => optimizationBarrier(x, [dy]));
      const grads = pullBack(
        (xs) => fn(xs.slice(0, inputs.length), named(xs.slice(inputs.length))),
        [...late, ...saved.slice(inputs.length)],
        dy,
      );
      // What was recomputed can be freed before the backward pass continues, if all that needs it is computed first.
      const [first, ...others] = grads as [tf.Tensor, ...tf.Tensor[]];
      return [optimizationBarrier(first, others), ...others];
    },
  );
}

/** x, in a compiled program not before `others` are computed; elsewhere things happen in their order anyway. */
function optimizationBarrier(x: tf.Tensor, others: readonly tf.Tensor[]): tf.Tensor {
  const named = Object.fromEntries(others.map((tensor, i) => [`after${i}`, tensor]));
  return others.length === 0 ? x : emit('DmOptimizationBarrier', { x, ...named }, {}, () => [x])[0];
}

/** The gradients of fn(xs) by each of `xs` against dy, while the backward pass of another tape is under way. */
function pullBack(fn: (xs: tf.Tensor[]) => tf.Tensor, xs: tf.Tensor[], dy: tf.Tensor): tf.Tensor[] {
  const engine = tf.engine();
  const { activeTape } = engine.state;
  try {
    const { grads } = engine.gradients(() => fn(xs), xs, dy, true);
    return grads.map((grad, i) => (grad as tf.Tensor | undefined) ?? tf.zerosLike(xs[i]!));
  } finally {
    engine.state.activeTape = activeTape; // TF.js clears it after each gradient
  }
}
