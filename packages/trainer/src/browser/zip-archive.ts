/** Zip archives of runs: `exportRunZip` and `importRunZip`, without the loading. */
import { parseShard } from '@dm/data';
import { unzipSync } from 'fflate';
import { isDamage } from '../checkpoint/damage.js';
import { resolveConfig } from '../config/resolve.js';
import { messageOf, UserError } from '../errors.js';
import { belongsInZip, checkZip, dataFile, maxFiles, type ZipMember } from '../interchange/run-zip.js';
import { createZipWriter, type ZipWriter } from '../interchange/write-zip.js';
import {
  checkpointPath,
  checkpointSteps,
  latestCheckpoint,
  loadCheckpoint,
  manifestPath,
  type ReadableStore,
} from './checkpoints.js';
import { configFile, parseConfig } from './run-files.js';
import type { RunStore } from './run-store.js';

export async function zipRun(store: RunStore): Promise<Blob> {
  const paths = (await store.list()).map(({ path }) => path);
  if (!paths.includes(configFile)) {
    throw new UserError(`The store ${store.name} has no run to export.`, { code: 'RUN_NOT_FOUND' });
  }
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const zip = createZipWriter((bytes) => void parts.push(bytes as Uint8Array<ArrayBuffer>));
  for (const path of paths) {
    if (!belongsInZip(path) || path.split('/').length > 2) continue;
    const bytes = await store.read(path);
    if (bytes !== undefined) zip.add(path, bytes);
  }
  await addCheckpoints(store, zip);
  zip.end();
  return new Blob(parts, { type: 'application/zip' });
}

/** Training may remove the checkpoints that were listed before they are read: then they are listed again. */
const mostListings = 10;

/**
 * Adds the valid checkpoints.
 *
 * @throws {UserError} `CHECKPOINT_NOT_FOUND` if training removes each of them before it is read
 */
async function addCheckpoints(store: RunStore, zip: ZipWriter): Promise<void> {
  for (let n = 0; n < mostListings; n++) {
    const paths = (await store.list()).map(({ path }) => path);
    let [added, removed] = [0, 0];
    for (const step of checkpointSteps(paths)) {
      if (!paths.includes(manifestPath(step))) continue; // incomplete
      try {
        const { files } = await loadCheckpoint(store, step);
        const manifest = await store.read(manifestPath(step));
        if (manifest === undefined) {
          removed++;
          continue;
        }
        for (const [name, bytes] of files) zip.add(`${checkpointPath(step)}/${name}`, bytes);
        zip.add(manifestPath(step), manifest);
        added++;
      } catch (error) {
        if (!isDamage(error)) throw error;
        if ((await store.read(manifestPath(step))) === undefined) removed++;
      }
    }
    if (added > 0 || removed === 0) return;
  }
  throw new UserError(
    `The checkpoints of the run ${store.name} were removed before they could be read. Pause it, and export it then.`,
    { code: 'CHECKPOINT_NOT_FOUND' },
  );
}

export async function unzipRun(store: RunStore, zip: Blob | Uint8Array): Promise<void> {
  const unlock = await store.lock();
  try {
    if ((await store.read(configFile)) !== undefined) {
      throw new UserError(`The store ${store.name} has a run already. Choose another name.`, { code: 'RUN_EXISTS' });
    }
    const files = unpack(zip instanceof Uint8Array ? zip : new Uint8Array(await zip.arrayBuffer()));
    resolveConfig([{ source: configFile, value: parseConfig(files.get(configFile)!, store.name) }]);
    const dataset = await parseShard(files.get(dataFile)!, dataFile).catch((error: unknown) => {
      throw new UserError(`The data of the run cannot be read: ${messageOf(error)}`, {
        code: 'FILE_INVALID',
        cause: error,
      });
    });
    const { checkpoint, skipped } = await latestCheckpoint(readOnly(files));
    const damages = skipped.map(({ text }) => text);
    if (checkpoint !== undefined && checkpoint.manifest.dataSha256 !== (await dataset.hash())) {
      damages.push(`${checkpoint.path} was trained on other data than ${dataFile}`);
    }
    if (damages.length > 0) throw new UserError(`The zip is damaged: ${damages.join('; ')}`, { code: 'FILE_INVALID' });
    // The configuration last: without it, the store has no run.
    const order = [...files].toSorted(([a], [b]) => Number(a === configFile) - Number(b === configFile));
    try {
      for (const [path, bytes] of order) await store.write(path, bytes);
    } catch (error) {
      await store.remove('').catch(() => {}); // the error that led here says more
      throw error;
    }
  } finally {
    unlock();
  }
}

/** The checked content of an archive by path. */
function unpack(zip: Uint8Array): Map<string, Uint8Array> {
  const members: ZipMember[] = [];
  let packed = 0;
  try {
    // First the directory alone. Its entries may name the same bytes any number of times.
    unzipSync(zip, {
      filter: ({ name, size, originalSize }) => {
        members.push({ name, bytes: originalSize });
        packed += size;
        if (members.length > maxFiles || !(packed <= zip.length)) throw new RangeError('its directory is damaged');
        return false;
      },
    });
  } catch (error) {
    throw notZip(error);
  }
  checkZip(members, 'The file', zip.length);
  let files: Map<string, Uint8Array>;
  try {
    files = new Map(Object.entries(unzipSync(zip)));
  } catch (error) {
    throw notZip(error);
  }
  const wrong = members.find(({ name, bytes }) => files.get(name)?.length !== bytes);
  if (wrong !== undefined) throw notZip(new RangeError(`${wrong.name} does not have the size in the directory`));
  return files;
}

function notZip(error: unknown): UserError {
  return new UserError(`The file is not a readable zip archive (${messageOf(error)}).`, { code: 'FILE_INVALID' });
}

/** The files as a store, to check them before they are stored. */
function readOnly(files: ReadonlyMap<string, Uint8Array>): ReadableStore {
  return {
    read: async (path) => files.get(path),
    list: async () => [...files].map(([path, { length }]) => ({ path, bytes: length })),
  };
}
