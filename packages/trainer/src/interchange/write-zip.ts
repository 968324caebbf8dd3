/** Writing zip archives, without compression: weights are noise, and an archive is written as fast as it is stored. */
import { Zip, ZipPassThrough } from 'fflate';
import { UserError } from '../errors.js';
import { maxZipBytes } from './run-zip.js';

export interface ZipWriter {
  /** @throws {UserError} `FILE_INVALID` if the archive becomes larger than 4 GiB */
  add(name: string, bytes: Uint8Array): void;
  /** Writes the archive's directory. */
  end(): void;
}

/** Creates an archive; `write` receives its bytes in order. Archives contain no times: the same files give the same bytes. */
export function createZipWriter(write: (bytes: Uint8Array) => void): ZipWriter {
  let total = 0;
  const zip = new Zip((error, bytes) => {
    if (error !== null) throw error;
    total += bytes.length;
    if (total > maxZipBytes) {
      throw new UserError(
        'The zip of the run would be larger than 4 GiB. Keep fewer checkpoints (checkpoints.keepLast).',
        {
          code: 'FILE_INVALID',
        },
      );
    }
    write(bytes);
  });
  return {
    add(name, bytes) {
      const file = new ZipPassThrough(name);
      file.mtime = new Date(1980, 0, 1);
      zip.add(file);
      file.push(bytes, true);
    },
    end: () => zip.end(),
  };
}
