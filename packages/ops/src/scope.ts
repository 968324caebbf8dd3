import * as tf from '@tensorflow/tfjs-core';

let current = '';

/**
 * Runs `body` under a name, such as a model block's: kernels that are recorded meanwhile carry it, and the
 * kernels of their gradients carry `gradient of <name>`. The innermost name counts. Results are what `body` returns.
 */
export function scope<T>(name: string, body: () => T): T {
  const { state } = tf.engine();
  const isTaped = () => state.gradientDepth > 0 && state.kernelDepth === 0;
  const before = isTaped() ? state.activeTape.length : undefined;
  const result = under(name, body);
  // The tape consists of closures that compute the gradients later on, outside any scope.
  if (before !== undefined && isTaped()) for (const node of state.activeTape.slice(before)) nameGradient(node, name);
  return result;
}

/** The name that `scope` has set; '' outside of it. */
export const currentScope = (): string => current;

type TapeNode = ReturnType<typeof tf.engine>['state']['activeTape'][number];

function nameGradient(node: TapeNode, name: string): void {
  const { gradient } = node;
  if (gradient === undefined) return;
  const backward = `gradient of ${name}`;
  node.gradient = (dys) =>
    Object.fromEntries(
      // TF.js asks for each input's gradient in a separate call.
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
