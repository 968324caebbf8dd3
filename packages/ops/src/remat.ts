import * as tf from '@tensorflow/tfjs-core';
import { checkFloat } from './checks.js';
import { customOp, emit } from './custom-op.js';
import type { Tensors } from './engine.js';

/**
 * Activation checkpointing, Chen et al. 2016, arXiv:1604.06174 (`torch.utils.checkpoint`, `jax.checkpoint`): returns
 * y = fn(inputs, parameters). Only the inputs are saved; the backward pass runs `fn` again to recompute its
 * intermediate values. So only one such call at a time needs memory for them.
 *
 * `inputs` are float32 of rank >= 1; `parameters` are float32 by name. `fn` must compute y from these alone: other
 * tensors that it uses get no gradient.
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
      // The barrier keeps a compiler from merging the second run with the first, or starting it before dy is known.
      const late = saved.slice(0, inputs.length).map((x) => optimizationBarrier(x, [dy]));
      const grads = pullBack(
        (xs) => fn(xs.slice(0, inputs.length), named(xs.slice(inputs.length))),
        [...late, ...saved.slice(inputs.length)],
        dy,
      );
      // Compute all gradients before the backward pass continues, so that the recomputed values can be freed.
      const [first, ...others] = grads as [tf.Tensor, ...tf.Tensor[]];
      return [optimizationBarrier(first, others), ...others];
    },
  );
}

/**
 * Returns x, which a compiled program makes available only after `others` are computed. Eager engines need no barrier.
 */
function optimizationBarrier(x: tf.Tensor, others: readonly tf.Tensor[]): tf.Tensor {
  const named = Object.fromEntries(others.map((tensor, i) => [`after${i}`, tensor]));
  return others.length === 0 ? x : emit('DmOptimizationBarrier', { x, ...named }, {}, () => [x])[0];
}

/** Gradients of fn(xs) with respect to `xs`, given dy, computed during the backward pass of another tape. */
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
