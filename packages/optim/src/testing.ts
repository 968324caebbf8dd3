import { flatLayout, type Tensors } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import type { Optimizer } from './optimizer.js';

/** 17 parameters: a matrix [4, 3] and a vector [5]. */
export const layout = flatLayout([
  { name: 'weight', shape: [4, 3], group: 'matrix' },
  { name: 'bias', shape: [5], group: 'vector' },
]);

export const startingPoint = (): Float64Array =>
  Float64Array.from({ length: layout.size }, (_, i) => Math.sin(3 * i + 1));

/**
 * Gradient of the problem in tools/parity/optim_fixture.py: a convex function plus a term that changes with the step.
 */
export function gradient(p: ArrayLike<number>, step: number): Float64Array {
  return Float64Array.from(
    p,
    (x, i) => (0.5 + 0.3 * i) * (x - Math.cos(i)) + 0.1 * x ** 3 + 0.3 * Math.sin(0.7 * step + i),
  );
}

/** Runs an optimizer for `steps` steps on the cpu backend; returns the parameters and slots after each step. */
export function trajectory(
  optimizer: Optimizer,
  steps: number,
  gradientAt: (p: ArrayLike<number>, step: number) => Float64Array = gradient,
  start: Float64Array = startingPoint(),
): { readonly params: Float32Array; readonly slots: Readonly<Record<string, Float32Array>> }[] {
  let params: Float32Array = Float32Array.from(start);
  let slots: Record<string, Float32Array> = {};
  for (const name of optimizer.slots) slots[name] = new Float32Array(params.length);
  const history = [];
  for (let step = 0; step < steps; step++) {
    const next = tf.tidy(() => {
      const scalars = Object.entries(optimizer.scalars(step)).map(([name, value]) => [name, tf.scalar(value)]);
      const grads = tf.tensor1d(Float32Array.from(gradientAt(params, step)));
      const result = optimizer.update(
        tf.tensor1d(params),
        grads,
        tensors(slots),
        Object.fromEntries(scalars) as Tensors,
      );
      return {
        params: read(result.params),
        slots: Object.fromEntries(Object.entries(result.slots).map(([name, tensor]) => [name, read(tensor)])),
      };
    });
    ({ params, slots } = next);
    history.push(next);
  }
  return history;
}

function tensors(arrays: Readonly<Record<string, Float32Array>>): Tensors {
  return Object.fromEntries(Object.entries(arrays).map(([name, data]) => [name, tf.tensor1d(data)]));
}

function read(tensor: tf.Tensor): Float32Array {
  return tensor.dataSync<'float32'>().slice();
}
