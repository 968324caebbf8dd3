/**
 * A run as a zip archive, which `dm train --resume run.zip` continues in Node:
 *
 *   const zip = await exportRunZip(store);
 *   link.href = URL.createObjectURL(zip);
 *
 * and the other way round: `importRunZip(store, zip)` opens an archive that `dm export --format run` wrote. The code for
 * archives is loaded when it is first used, since a page that trains may never need it.
 */
import type { RunStore } from './run-store.js';

/**
 * The run in a store as a zip archive, with its data and its valid checkpoints. May be called while the run trains.
 *
 * @throws {UserError} `RUN_NOT_FOUND` if the store has no run
 */
export async function exportRunZip(store: RunStore): Promise<Blob> {
  const { zipRun } = await import('./zip-archive.js');
  return zipRun(store);
}

/**
 * Unpacks the archive of a run into a store that has none. Checks names, sizes, configuration, data, and the newest
 * checkpoint first, and stores nothing if one of them is invalid.
 *
 * @throws {UserError} `FILE_INVALID` or `CONFIG_INVALID` if the archive is damaged, or has something else; `RUN_EXISTS` if
 *   the store has a run; `RUN_LOCKED` if another tab uses it; `DISK_FULL` if the browser has no space for it
 */
export async function importRunZip(store: RunStore, zip: Blob | Uint8Array): Promise<void> {
  const { unzipRun } = await import('./zip-archive.js');
  return unzipRun(store, zip);
}
