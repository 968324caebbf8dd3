/** .npy and .npz files on disk, and .npz archives. */
import { atomicWriteFile } from '@dm/files';
import { zipSync } from 'fflate';
import { DataError } from '../errors.js';
import { readBytes } from '../io/read-file.js';
import { checkLimit, resolveLimits, type DataLimits } from '../limits.js';
import { formatNpy, parseNpy, type NpyArray } from './npy.js';
import { listZipBytes, readZipEntryBytes } from './zip.js';

/**
 * Reads a .npy file.
 * @throws {DataError} if the file is missing, damaged, or unsupported; the message names it
 */
export async function readNpy(path: string): Promise<NpyArray> {
  return parseNpy(await readBytes(path), path);
}

/**
 * Writes a .npy file.
 * @throws {RangeError} if the shape does not fit the data
 */
export async function writeNpy(path: string, array: NpyArray): Promise<void> {
  atomicWriteFile(path, formatNpy(array));
}

/**
 * Reads the arrays of a .npz file by name (without `.npy`).
 * @throws {DataError} if the file is missing, damaged, or unsupported, or its arrays together have more than
 * `limits.maxUnpackedBytes`; the message names it
 */
export async function readNpz(path: string, limits: Partial<DataLimits> = {}): Promise<Record<string, NpyArray>> {
  return parseNpz(await readBytes(path), path, limits);
}

/** The date of each entry, as NumPy writes it (midnight in local time, which is what zip stores): equal arrays, equal files. */
const zipEpoch = new Date(1980, 0, 1);

/** Writes a .npz file, uncompressed as `numpy.savez`. */
export async function writeNpz(path: string, arrays: Readonly<Record<string, NpyArray>>): Promise<void> {
  const entries = Object.entries(arrays).map(([name, array]) => [`${name}.npy`, formatNpy(array)] as const);
  atomicWriteFile(path, zipSync(Object.fromEntries(entries), { level: 0, mtime: zipEpoch }));
}

/**
 * Parses a .npz file, checking the CRC-32 of each entry; `source` names it in errors.
 * @throws {DataError} if the archive is damaged, contains a file that is not a .npy, or unpacks to more than
 * `limits.maxUnpackedBytes`
 */
export async function parseNpz(
  bytes: Uint8Array,
  source: string,
  limits: Partial<DataLimits> = {},
): Promise<Record<string, NpyArray>> {
  const { names, read } = await openNpzArrays(bytes, source, limits);
  const arrays: [string, NpyArray][] = [];
  for (const name of names) arrays.push([name, await read(name)]);
  return Object.fromEntries(arrays);
}

/**
 * The arrays of a .npz file, parsed one by one, so that only those that are used need a supported type.
 * @throws {DataError} as `parseNpz`; so does `read` for its array
 */
export async function openNpzArrays(
  bytes: Uint8Array,
  source: string,
  limits: Partial<DataLimits>,
): Promise<{ readonly names: readonly string[]; readonly read: (name: string) => Promise<NpyArray> }> {
  const resolved = resolveLimits(limits, bytes.length);
  const listed = await listZipBytes(bytes, source, resolved);
  const unpacked = listed.reduce((sum, entry) => sum + entry.bytes, 0);
  checkLimit(`${source}: unpacked bytes of all arrays`, unpacked, resolved, 'maxUnpackedBytes');
  const entries = new Map<string, (typeof listed)[number]>();
  for (const entry of listed) {
    const { name } = entry;
    if (!name.endsWith('.npy')) throw new DataError(`${source}: contains ${name}, which is not a .npy file.`);
    const key = name.slice(0, -4);
    // Assigning this name to a plain object would change its prototype.
    if (key === '__proto__' || entries.has(key)) {
      throw new DataError(`${source}: the name ${name} is not allowed, or occurs twice.`);
    }
    entries.set(key, entry);
  }
  return {
    names: [...entries.keys()],
    read: async (name) => {
      const entry = entries.get(name)!;
      return parseNpy(await readZipEntryBytes(bytes, source, entry), `${source}/${entry.name}`);
    },
  };
}
