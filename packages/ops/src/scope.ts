import * as tf from '@tensorflow/tfjs-core';

let current = '';

/**
 * Runs `body` in a named scope (similar to `jax.named_scope`) and returns its result. Kernels recorded in it get the
 * name, and the kernels of their gradients get `gradient of <name>`. In nested scopes the innermost name applies.
 */
export function scope<T>(name: string, body: () => T): T {
  const { state } = tf.engine();
  const isTaped = () => state.gradientDepth > 0 && state.kernelDepth === 0;
  const before = isTaped() ? state.activeTape.length : undefined;
  const result = under(name, body);
  // The closures on the tape run in the backward pass, outside any scope.
  if (before !== undefined && isTaped()) for (const node of state.activeTape.slice(before)) nameGradient(node, name);
  return result;
}

/** Name of the innermost active scope; '' outside any scope. */
export const currentScope = (): string => current;

type TapeNode = ReturnType<typeof tf.engine>['state']['activeTape'][number];

function nameGradient(node: TapeNode, name: string): void {
  const { gradient } = node;
  if (gradient === undefined) return;
  const backward = `gradient of ${name}`;
  node.gradient = (dys) =>
    Object.fromEntries(
      // TF.js computes each input's gradient in a separate call.
      Object.entries(under(backward, () => gradient(dys))).map(([input, of]) => [input, () => under(backward, of)]),
    );
}

function under<T>(name: string, body: () => T): T {
  const outer = current;
  current = name;
  try {
    return body();
  } finally {
    current = outer;
  }
}
