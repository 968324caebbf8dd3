/** How much a page may store. */
import { UserError } from '../errors.js';
import { navigatorOf } from './navigator.js';
import { tensorBytes } from '../setup/state-table.js';
import type { TrainingSetup } from '../setup/training-setup.js';

/** Parts of it are missing in old browsers, `persist` in all workers. */
interface StorageManager {
  persist?(): Promise<boolean>;
  persisted?(): Promise<boolean>;
  estimate?(): Promise<{ readonly quota?: number; readonly usage?: number }>;
}

export interface StorageQuota {
  /** Bytes that the origin may store, and those that it uses, as the browser estimates them; undefined if unknown. */
  readonly quota?: number;
  readonly usage?: number;
  /** Whether the browser keeps the runs when the disk is almost full. */
  readonly persisted: boolean;
}

/**
 * Asks the browser to keep what the page stores, and returns how much that may be. Browsers answer the request in pages
 * only; in a worker, this only reports.
 */
export async function requestPersistence(): Promise<StorageQuota> {
  const { storage } = navigatorOf<{ readonly storage: StorageManager }>();
  const persisted = (await storage?.persist?.()) ?? (await storage?.persisted?.()) ?? false;
  const { quota, usage } = (await storage?.estimate?.()) ?? {};
  return { ...(quota !== undefined && { quota }), ...(usage !== undefined && { usage }), persisted };
}

/**
 * `removed` are the bytes of files that are removed before the first checkpoint.
 *
 * @throws {UserError} `DISK_FULL` if not even one checkpoint fits
 */
export function checkQuota(setup: TrainingSetup, { quota, usage = 0 }: StorageQuota, removed = 0): void {
  const bytes = tensorBytes(setup);
  if (quota === undefined) return;
  const free = quota - usage + removed;
  if (free >= bytes) return;
  throw new UserError(
    `A checkpoint of this run takes ${mebibytes(bytes)}, but this page may store only ${mebibytes(free)} more. ` +
      'Remove other runs, or train a smaller model.',
    { code: 'DISK_FULL' },
  );
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
