import { renameSync } from 'node:fs';
import { errnoOf } from './errors.js';

/** Errors of Windows while another program, such as a virus scanner or an indexer, has the file or its target open. */
const busyOnWindows = new Set(['EPERM', 'EACCES', 'EBUSY']);

/** Waits between attempts, in milliseconds: 1.3 s in all. */
const waits = [10, 20, 40, 80, 150, 300, 700];

export interface RenameSystem {
  readonly platform: NodeJS.Platform;
  readonly rename: (from: string, to: string) => void;
  readonly wait: (ms: number) => void;
}

const thisSystem: RenameSystem = {
  platform: process.platform,
  rename: renameSync,
  wait: (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
};

/**
 * Renames a file or folder; an existing file at `to` is replaced. On Windows it is repeated for up to 1.3 s while another
 * program has one of them open.
 *
 * @throws {Error} the error of `rename`
 */
export function renameOver(from: string, to: string, { platform, rename, wait }: RenameSystem = thisSystem): void {
  for (let attempt = 0; ; attempt++) {
    try {
      rename(from, to);
      return;
    } catch (error) {
      const ms = waits[attempt];
      if (platform !== 'win32' || ms === undefined || !busyOnWindows.has(errnoOf(error) ?? '')) throw error;
      wait(ms);
    }
  }
}
