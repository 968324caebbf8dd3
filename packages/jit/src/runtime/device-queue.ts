/**
 * ONNX Runtime crashes if two calls touch a device at the same time, even one that only frees or binds a tensor while a
 * graph runs. All of them go through one queue per process, also if this package is loaded twice (as ESM and CommonJS).
 */
const key: unique symbol = Symbol.for('@dm/jit device queue') as never;

const queue = globalThis as { [key]?: Promise<unknown> };

/** Runs `work` after all earlier work has ended. It must not call `onDevice` itself. */
export function onDevice<T>(work: () => T | Promise<T>): Promise<T> {
  const done = (queue[key] ?? Promise.resolve()).then(work);
  queue[key] = done.catch(() => undefined);
  return done;
}
