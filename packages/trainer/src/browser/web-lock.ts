/** Locks that all tabs and workers of an origin share (Web Locks API). */
import { navigatorOf } from './navigator.js';
import { lockedError, unavailable } from './run-store.js';

interface LockManager {
  request(name: string, options: { readonly signal: AbortSignal }, held: () => Promise<void>): Promise<void>;
}

/** How long to wait for a page that is being closed or reloaded, in milliseconds. */
const waitMs = 2000;

/**
 * Locks `name`; returns a function that unlocks it. The browser unlocks it when the page or worker ends.
 *
 * @throws {UserError} `RUN_LOCKED` if it stays locked by another page or worker; `run` is the name in the message
 */
export async function acquireWebLock(name: string, run: string): Promise<() => void> {
  const { locks } = navigatorOf<{ readonly locks: LockManager }>();
  if (locks === undefined) throw unavailable('locks');
  return new Promise((resolve, reject) => {
    const held = () => new Promise<void>((release) => resolve(release));
    locks.request(name, { signal: AbortSignal.timeout(waitMs) }, held).catch((error: unknown) => {
      const { name: kind } = error as { readonly name?: string };
      reject(kind === 'AbortError' || kind === 'TimeoutError' ? lockedError(run) : (error as Error));
    });
  });
}
