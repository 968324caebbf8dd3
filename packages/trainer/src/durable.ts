/** Writing so that a crash or a power cut leaves the old state or the new one, and nothing between. */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes a whole file and waits until it is on the disk. The file must not exist unless `replace` is set. */
export function writeSynced(path: string, data: Uint8Array | string, replace = false): void {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
  const fd = openSync(path, replace ? 'w' : 'wx');
  try {
    // One call writes at most 2 GiB, and fewer bytes than asked are a normal answer.
    for (let done = 0; done < bytes.length;) {
      done += writeSync(fd, bytes, done, Math.min(bytes.length - done, 1 << 28));
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes the names inside a folder durable. Windows cannot open folders, and renames there are journalled. */
export function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Puts a new file in the place of an old one in one step. */
export function replaceFile(path: string, data: Uint8Array | string): void {
  const temporary = `${path}.partial`;
  writeSynced(temporary, data, true);
  renameSync(temporary, path);
  syncFolder(dirname(path));
}
