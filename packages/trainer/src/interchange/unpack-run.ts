/** Runs as zip archives, in Node: `dm train --resume run.zip` and `dm export --format run`. */
import { DataError, listZip, readZipEntry, verifyShard } from '@dm/data';
import { createFile, fileKind, makeFolder } from '@dm/files';
import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { configFile, readConfigFile } from '../config/config-file.js';
import { resolveConfig } from '../config/resolve.js';
import { UserError } from '../errors.js';
import { atomicWriteFile } from '../files/atomic-write.js';
import { buildNewFolder, checkNotExisting } from '../files/write-new.js';
import { runFolder, type RunFolder } from '../run/run-folder.js';
import { checkZip, dataFile } from './run-zip.js';

/** The name of the run in an archive: its file name without the extension. */
export function runNameOf(zip: string): string {
  return basename(zip).replace(/\.zip$/i, '') || 'run';
}

/**
 * Unpacks the archive of a run into the new folder `out`. The archive may come from anybody: names, sizes, configuration,
 * and data are checked, and the folder appears complete or not at all. The run's `data` is then the shard in that folder.
 *
 * @throws {UserError} `FILE_INVALID` if it is a folder or not the archive of a run, or is damaged; `FILE_EXISTS` if `out`
 *   is not empty
 */
export async function unpackRun(zip: string, out: string): Promise<RunFolder> {
  if (fileKind(zip) === 'folder') {
    throw new UserError(
      `${zip} is a folder, not the zip archive of a run. If it is a run, resume it there: dm train --resume --out ${zip}`,
      { code: 'FILE_INVALID' },
    );
  }
  checkNotExisting(out);
  const entries = await explained(zip, () => listZip(zip));
  checkZip(entries, zip, statSync(zip).size);
  await buildNewFolder(out, async (folder) => {
    for (const entry of entries) {
      const path = join(folder, ...entry.name.split('/'));
      makeFolder(dirname(path));
      createFile(path, await explained(zip, () => readZipEntry(zip, entry)));
    }
    await explained(zip, () => verifyShard(join(folder, dataFile)));
    const config = join(folder, 'config.json');
    resolveConfig([configFile(config)]);
    const moved = { ...readConfigFile(config), data: join(out, dataFile), out };
    atomicWriteFile(config, `${JSON.stringify(moved, null, 2)}\n`);
  });
  return runFolder(out);
}

/** Converts errors of @dm/data, which say what is wrong with the archive, to ones that users can fix. */
async function explained<T>(zip: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const code = error.code === 'DATA_NOT_FOUND' ? 'FILE_NOT_FOUND' : 'FILE_INVALID';
    throw new UserError(`The run in ${zip} cannot be read: ${error.message}`, { code, cause: error });
  }
}
