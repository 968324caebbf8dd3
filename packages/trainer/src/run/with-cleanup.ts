/** Cleanup of resources that are opened one after another. */

/** Registers `cleanup` to run when the work has ended, whether it succeeded or failed. */
export type Defer = (cleanup: () => void | Promise<void>) => void;

/**
 * Runs `work`, then all deferred cleanups in reverse order, even if some of them fail. Rethrows the first error; later
 * errors, which may be consequences of it, are passed to `onLater`.
 */
export async function withCleanup<T>(
  work: (defer: Defer) => Promise<T>,
  onLater: (error: unknown) => void,
): Promise<T> {
  const cleanups: (() => void | Promise<void>)[] = [];
  const errors: unknown[] = [];
  const attempt = async <R>(action: () => R | Promise<R>): Promise<R | undefined> => {
    try {
      return await action();
    } catch (error) {
      if (errors.push(error) > 1) onLater(error);
      return undefined;
    }
  };
  const result = await attempt(() => work((cleanup) => void cleanups.push(cleanup)));
  for (const cleanup of cleanups.toReversed()) await attempt(cleanup);
  if (errors.length > 0) throw errors[0];
  return result as T;
}
