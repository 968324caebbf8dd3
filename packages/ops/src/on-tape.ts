import * as tf from '@tensorflow/tfjs-core';

/** Runs a function in a context, such as a scope, and returns its result. */
export type Enter = <T>(body: () => T) => T;

/** A value that holds while a function runs: `enter(value)` sets it, and restores the outer one afterwards. */
export function contextValue<Value>(initial: Value): {
  readonly current: () => Value;
  readonly enter: (value: Value) => Enter;
} {
  let current = initial;
  return {
    current: () => current,
    enter: (value) => (body) => {
      const outer = current;
      current = value;
      try {
        return body();
      } finally {
        current = outer;
      }
    },
  };
}

/**
 * Runs `body` in the context `forward`, and later the gradients of all that it records on the gradient tape in
 * `backward`: TF.js computes them in the backward pass, outside any context. In nested calls the innermost applies.
 */
export function withGradientsIn<T>(forward: Enter, backward: Enter, body: () => T): T {
  const { state } = tf.engine();
  const isTaped = () => state.gradientDepth > 0 && state.kernelDepth === 0;
  const before = isTaped() ? state.activeTape.length : undefined;
  const result = forward(body);
  if (before !== undefined && isTaped()) for (const node of state.activeTape.slice(before)) enterIn(backward, node);
  return result;
}

type TapeNode = ReturnType<typeof tf.engine>['state']['activeTape'][number];

function enterIn(enter: Enter, node: TapeNode): void {
  const { gradient } = node;
  if (gradient === undefined) return;
  node.gradient = (dys) =>
    Object.fromEntries(
      // TF.js computes each input's gradient in a separate call.
      Object.entries(enter(() => gradient(dys))).map(([input, of]) => [input, () => enter(of)]),
    );
}
