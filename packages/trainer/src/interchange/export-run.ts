/**
 * A run as a zip archive with its data, for another machine or a browser.
 *
 *   await exportRun({ run: 'runs/digits', out: 'digits.zip' });
 */
import { convertToShard } from '@dm/data';
import { atomicWriteFileAsync, fileKind, insideFolder, readRegularFile, removeTree } from '@dm/files';
import { mkdtempSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { readCheckpoint } from '../checkpoint/checkpoint.js';
import { isDamage } from '../checkpoint/damage.js';
import { listCheckpoints } from '../checkpoint/layout.js';
import { manifestName, maxManifestBytes } from '../checkpoint/manifest-format.js';
import { readConfigFile } from '../config/config-file.js';
import { resolveConfig } from '../config/resolve.js';
import { savedConfig } from '../config/saved-config.js';
import { UserError } from '../errors.js';
import { writeError } from '../files/atomic-write.js';
import { checkNotExisting } from '../files/write-new.js';
import { hasRun, noRunError, runFolder } from '../run/run-folder.js';
import { openUnscaledData } from '../setup/open-training-setup.js';
import { dataFile, maxZipBytes } from './run-zip.js';
import { createZipWriter } from './write-zip.js';

export interface ExportRunOptions {
  /** Run folder. */
  readonly run: string;
  /** The archive to create. */
  readonly out: string;
  /** Receives messages about damaged checkpoints, which are left out. */
  readonly onNote?: ((text: string) => void) | undefined;
}

export interface ExportedRun {
  readonly out: string;
  /** Steps of the checkpoints in the archive. */
  readonly checkpoints: readonly number[];
  readonly images: number;
}

/**
 * Writes the configuration, log, valid checkpoints, and training images of a run into a zip archive.
 *
 * @throws {UserError} `RUN_NOT_FOUND` if the folder has no run, `FILE_EXISTS` if `out` exists, `CONFIG_INVALID` if its data are
 *   chosen or cropped while they are read
 */
export async function exportRun({ run: path, out, onNote }: ExportRunOptions): Promise<ExportedRun> {
  checkNotExisting(out);
  const run = runFolder(path);
  if (!hasRun(run)) throw noRunError(path);
  const config = resolveConfig([savedConfig(run)]);
  const field = (['crop', 'holdOut'] as const).find((name) => config[name] !== null);
  if (field !== undefined) {
    throw new UserError(
      `${path} trains with ${field}, so it does not use the images as they are, and a zip cannot contain them. Copy the folder.`,
      { code: 'CONFIG_INVALID' },
    );
  }
  const dataset = await openUnscaledData(config);
  // Next to the archive, on a disk that has space for the data.
  const work = mkdtempSync(join(dirname(resolve(out)), '.dm-export-'));
  try {
    const shard = join(work, dataFile);
    await convertToShard(dataset, shard);
    const checkpoints: number[] = [];
    await atomicWriteFileAsync(
      out,
      async (file) => {
        const pieces: Uint8Array[] = [];
        const zip = createZipWriter((bytes) => void pieces.push(bytes));
        const flush = async () => {
          for (const piece of pieces.splice(0)) await file.writeFile(piece);
        };
        const add = (name: string, from: string) => zip.add(name, readRegularFile(from, { maxBytes: maxZipBytes }));
        // Without the paths of this machine.
        const portable = { ...readConfigFile(run.config), data: dataFile, out: `runs/${basename(resolve(path))}` };
        zip.add('config.json', Buffer.from(`${JSON.stringify(portable, null, 2)}\n`));
        add(dataFile, shard);
        for (const from of [run.metrics, run.difficulty, run.validation]) {
          if (fileKind(from) !== undefined) add(basename(from), from);
        }
        // The folder may come from anybody: a link in it must not carry another file into the archive.
        const best = insideFolder(run.checkpoints, 'best.json');
        if (fileKind(best) !== undefined) add('checkpoints/best.json', best);
        for (const { path: from, step, complete } of listCheckpoints(run.checkpoints)) {
          if (!complete) continue;
          try {
            const { files } = readCheckpoint(from);
            const folder = `checkpoints/${basename(from)}`;
            const manifest = readRegularFile(join(from, manifestName), {
              maxBytes: maxManifestBytes,
              followLinks: false,
            });
            for (const [name, bytes] of files) zip.add(`${folder}/${name}`, bytes);
            zip.add(`${folder}/${manifestName}`, manifest);
            checkpoints.push(step);
            await flush();
          } catch (error) {
            if (!isDamage(error)) throw error;
            onNote?.(`left out ${from}: ${error.message}`);
          }
        }
        zip.end();
        await flush();
      },
      { overwrite: false },
    );
    return { out, checkpoints, images: dataset.length };
  } catch (error) {
    throw writeError(out, error);
  } finally {
    removeTree(work);
  }
}
