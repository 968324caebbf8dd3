/** Storage of a run in a browser: the files of a run folder, under the paths that they have in Node. */
import { UserError } from '../errors.js';

/** A file of a run. */
export interface StoredFile {
  /** Such as `checkpoints/step-000500/model.safetensors`. */
  readonly path: string;
  /** Size in bytes. */
  readonly bytes: number;
}

/**
 * Storage of one run. Paths are relative, with `/` between folders. `openOpfsStore` and `openIndexedDbStore` keep it across
 * reloads; any other implementation works too.
 */
export interface RunStore {
  /** Name of the run. */
  readonly name: string;
  /** Creates or replaces a file; afterwards a crash of the page does not lose it. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** The content of a file; undefined if there is none. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** All files of the run, sorted by path. */
  list(): Promise<readonly StoredFile[]>;
  /** Removes a file, or a folder with all of its files. Does nothing if there is none. */
  remove(path: string): Promise<void>;
  /**
   * Locks the run for this page or worker; returns a function that unlocks it. The browser unlocks it too when the page is
   * closed or reloaded.
   *
   * @throws {UserError} `RUN_LOCKED` if another one has locked it
   */
  lock(): Promise<() => void>;
}

/** A run in memory, which a reload loses. For tests, and for pages that may not store anything. */
export function createMemoryStore(name: string): RunStore {
  const files = new Map<string, Uint8Array>();
  let isLocked = false;
  return {
    name,
    async write(path, bytes) {
      files.set(path, bytes.slice());
    },
    async read(path) {
      return files.get(path)?.slice();
    },
    async list() {
      return [...files].map(([path, { length }]) => ({ path, bytes: length })).toSorted(byPath);
    },
    async remove(path) {
      for (const each of files.keys()) if (isInside(each, path)) files.delete(each);
    },
    async lock() {
      if (isLocked) throw lockedError(name);
      isLocked = true;
      return () => (isLocked = false);
    },
  };
}

/** Whether `path` is `folder`, or in it; everything is in the folder with the empty name. */
export function isInside(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`);
}

export function byPath(a: StoredFile, b: StoredFile): number {
  if (a.path === b.path) return 0;
  return a.path < b.path ? -1 : 1;
}

export function lockedError(name: string): UserError {
  return new UserError(`The run ${name} is in use by another tab. Close that tab, or choose another name.`, {
    code: 'RUN_LOCKED',
  });
}

/** Error for a write that a browser refused; the message says what to do. A UserError is returned unchanged. */
export function storeError(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const { name = '', message = String(error) } = error as { readonly name?: string; readonly message?: string };
  if (name === 'QuotaExceededError') {
    return new UserError(
      `${path} could not be stored: this browser has no more space for the page (${message}). Remove other runs, keep fewer ` +
        'checkpoints (checkpoints.keepLast), or free disk space.',
      { code: 'DISK_FULL', cause: error },
    );
  }
  return new UserError(`${path} could not be stored: ${message}`, { code: 'WRITE_FAILED', cause: error });
}

/** Writes a file to any store. @throws {UserError} as `storeError` returns it */
export async function writeFile(store: RunStore, path: string, bytes: Uint8Array): Promise<void> {
  try {
    await store.write(path, bytes);
  } catch (error) {
    throw storeError(path, error);
  }
}

/** @throws {UserError} if it cannot be the name of a folder */
export function checkRunName(name: string): void {
  if (/^[\p{L}\p{N}_ -][\p{L}\p{N}_ .-]{0,99}$/u.test(name)) return;
  throw new UserError(
    `A run cannot have the name ${JSON.stringify(name)}: use 1 to 100 letters, digits, spaces, and - _ . (not first).`,
  );
}

export function unavailable(what: string): UserError {
  return new UserError(
    `This page cannot use the ${what} of the browser: serve it over https or from localhost, in a window that is not private.`,
  );
}
