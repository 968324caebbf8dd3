/** Runs in IndexedDB, for browsers without a writable origin private file system. */
import {
  byPath,
  checkRunName,
  isInside,
  storeError,
  unavailable,
  type RunStore,
  type StoredFile,
} from './run-store.js';
import { acquireWebLock } from './web-lock.js';

/** The parts of the API that are used here; TypeScript's types of the DOM are not loaded. */
interface Request<T> {
  readonly result: T;
  readonly error: unknown;
  addEventListener(type: 'success' | 'error' | 'upgradeneeded', listener: () => void): void;
}
interface Database {
  createObjectStore(name: string): unknown;
  transaction(stores: readonly string[], mode: 'readonly' | 'readwrite', options?: object): Transaction;
  close(): void;
}
interface Transaction {
  readonly error: unknown;
  objectStore(name: string): ObjectStore;
  addEventListener(type: 'complete' | 'abort', listener: () => void): void;
}
interface ObjectStore {
  get(key: string): Request<unknown>;
  getAll(): Request<unknown[]>;
  put(value: unknown, key: string): Request<unknown>;
  delete(key: string): Request<unknown>;
}

interface Factory {
  open(name: string, version: number): Request<Database>;
  databases(): Promise<readonly { readonly name?: string }[]>;
}

/** Of the names of databases; each run has its own. */
const prefix = 'dm-runs/';

/** Contents by path, and sizes by path, so that files can be listed without reading them. */
const [contents, sizes] = ['contents', 'sizes'] as const;

/**
 * Opens the run `name` in IndexedDB. A file is replaced in one transaction.
 *
 * @throws {UserError} `OPTION_INVALID` if `name` is not the name of a run, or the browser has no IndexedDB
 */
export async function openIndexedDbStore(name: string): Promise<RunStore> {
  checkRunName(name);
  const database = await openDatabase(name);
  const list = () => listFiles(database);
  /** Changes both stores in one transaction, which is on disk when this resolves. */
  const change = (path: string, edit: (files: ObjectStore, listed: ObjectStore) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      const transaction = database.transaction([contents, sizes], 'readwrite', { durability: 'strict' });
      transaction.addEventListener('complete', () => resolve());
      transaction.addEventListener('abort', () => reject(storeError(path, transaction.error)));
      edit(transaction.objectStore(contents), transaction.objectStore(sizes));
    });
  return {
    name,
    write: (path, bytes) =>
      change(path, (files, listed) => {
        files.put(bytes, path);
        listed.put({ path, bytes: bytes.length } satisfies StoredFile, path);
      }),
    async read(path) {
      const store = database.transaction([contents], 'readonly').objectStore(contents);
      return (await resultOf(store.get(path))) as Uint8Array | undefined;
    },
    list,
    async remove(path) {
      const removed = (await list()).filter((file) => isInside(file.path, path));
      await change(path, (files, listed) => {
        for (const file of removed) for (const store of [files, listed]) store.delete(file.path);
      });
    },
    lock: () => acquireWebLock(`dm-runs/indexeddb/${name}`, name),
  };
}

/** Names of the runs in IndexedDB, sorted. */
export async function listIndexedDbRuns(): Promise<string[]> {
  const names = (await databases().databases()).flatMap(({ name = '' }) =>
    name.startsWith(prefix) ? [name.slice(prefix.length)] : [],
  );
  // A store that was opened, or whose run was removed, has a database without files.
  const files = await Promise.all(names.map(filesOf));
  return names.filter((_, i) => files[i]! > 0).toSorted();
}

/** Number of files in the database of a run. */
async function filesOf(name: string): Promise<number> {
  const database = await openDatabase(name);
  try {
    return (await listFiles(database)).length;
  } finally {
    database.close();
  }
}

function openDatabase(name: string): Promise<Database> {
  const opening = databases().open(prefix + name, 1);
  opening.addEventListener('upgradeneeded', () => {
    for (const store of [contents, sizes]) opening.result.createObjectStore(store);
  });
  return resultOf(opening);
}

async function listFiles(database: Database): Promise<StoredFile[]> {
  const store = database.transaction([sizes], 'readonly').objectStore(sizes);
  return ((await resultOf(store.getAll())) as StoredFile[]).toSorted(byPath);
}

function databases(): Factory {
  const { indexedDB } = globalThis as unknown as { readonly indexedDB?: Factory };
  if (indexedDB === undefined) throw unavailable('database');
  return indexedDB;
}

function resultOf<T>(request: Request<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(storeError('the run', request.error)));
  });
}
