/** Work that opens things, and their closing. */

/** Calls `cleanup` when the work is over, whatever became of it. */
export type Defer = (cleanup: () => void | Promise<void>) => void;

/**
 * Does `work`, then calls what it deferred, the last first, each of them whatever the others did. Throws the first error;
 * `onLater` gets those after it, which may follow from it.
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
