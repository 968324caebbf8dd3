/** Runs in the origin private file system of a browser (OPFS). */
import { byPath, checkRunName, storeError, unavailable, type RunStore, type StoredFile } from './run-store.js';
import { navigatorOf } from './navigator.js';
import { acquireWebLock } from './web-lock.js';

/** The parts of the API that are used here; TypeScript's types of the DOM are not loaded. */
interface DirectoryHandle {
  readonly kind: 'directory';
  getDirectoryHandle(name: string, options?: { readonly create: boolean }): Promise<DirectoryHandle>;
  getFileHandle(name: string, options?: { readonly create: boolean }): Promise<FileHandle>;
  removeEntry(name: string, options: { readonly recursive: boolean }): Promise<void>;
  entries(): AsyncIterable<[string, DirectoryHandle | FileHandle]>;
}
interface FileHandle {
  readonly kind: 'file';
  getFile(): Promise<Blob>;
  createWritable(): Promise<{
    write(bytes: Uint8Array): Promise<void>;
    close(): Promise<void>;
    abort(): Promise<void>;
  }>;
}

const root = 'dm-runs';

/**
 * Opens the run `name` in the origin private file system, in pages and workers that are served over https or from
 * localhost. A file is replaced as a whole when its new content is complete.
 *
 * @throws {UserError} `OPTION_INVALID` if `name` cannot be the name of a folder, or the browser has no such file system
 */
export async function openOpfsStore(name: string): Promise<RunStore> {
  checkRunName(name);
  const folder = await (await storage()).getDirectoryHandle(root, { create: true });
  const own = (create: boolean) => folder.getDirectoryHandle(name, { create });
  return {
    name,
    async write(path, bytes) {
      try {
        const { parent, last } = await placeOf(await own(true), path, true);
        const writable = await (await parent.getFileHandle(last, { create: true })).createWritable();
        try {
          await writable.write(bytes);
        } catch (error) {
          await writable.abort().catch(() => {});
          throw error;
        }
        await writable.close();
      } catch (error) {
        throw storeError(path, error);
      }
    },
    read: (path) =>
      unlessMissing(async () => {
        const { parent, last } = await placeOf(await own(false), path, false);
        const file = await (await parent.getFileHandle(last)).getFile();
        return new Uint8Array(await file.arrayBuffer());
      }),
    async list() {
      const files = await unlessMissing(async () => filesOf(await own(false), ''));
      return (files ?? []).toSorted(byPath);
    },
    async remove(path) {
      await unlessMissing(async () => {
        if (path === '') return folder.removeEntry(name, { recursive: true });
        const { parent, last } = await placeOf(await own(false), path, false);
        return parent.removeEntry(last, { recursive: true });
      });
    },
    lock: () => acquireWebLock(`${root}/opfs/${name}`, name),
  };
}

/** Names of the runs that `openOpfsStore` finds, sorted. */
export async function listOpfsRuns(): Promise<string[]> {
  const folder = await (await storage()).getDirectoryHandle(root, { create: true });
  const names: string[] = [];
  for await (const [name, { kind }] of folder.entries()) if (kind === 'directory') names.push(name);
  return names.toSorted();
}

async function storage(): Promise<DirectoryHandle> {
  const { storage: manager } = navigatorOf<{ readonly storage: { getDirectory?(): Promise<DirectoryHandle> } }>();
  if (manager?.getDirectory === undefined) throw unavailable('file system');
  return manager.getDirectory();
}

async function placeOf(
  folder: DirectoryHandle,
  path: string,
  create: boolean,
): Promise<{ readonly parent: DirectoryHandle; readonly last: string }> {
  const names = path.split('/');
  const last = names.pop()!;
  let parent = folder;
  for (const name of names) parent = await parent.getDirectoryHandle(name, { create });
  return { parent, last };
}

async function filesOf(folder: DirectoryHandle, prefix: string): Promise<StoredFile[]> {
  const files: StoredFile[] = [];
  for await (const [name, handle] of folder.entries()) {
    if (handle.kind === 'directory') {
      for (const file of await filesOf(handle, `${prefix}${name}/`)) files.push(file);
    } else files.push({ path: prefix + name, bytes: (await handle.getFile()).size });
  }
  return files;
}

async function unlessMissing<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if ((error as { readonly name?: string }).name === 'NotFoundError') return undefined;
    throw error;
  }
}
