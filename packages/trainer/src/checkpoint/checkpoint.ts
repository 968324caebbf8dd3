/**
 * One checkpoint that cannot be half-written: a folder of files and a manifest with their sizes and SHA-256.
 *
 *   write   sibling folder step-000500.partial, each file synced, manifest.json last, rename to step-000500, sync;
 *           not begun if the disk has no room for it
 *   read    the manifest is verified, then each file against it
 *
 * A checkpoint holds no clock time: the same training gives the same bytes. Which of a run's checkpoints are read, kept and
 * removed is decided in checkpoint-folder.ts.
 */
import { createHash } from 'node:crypto';
import {
  createFile,
  FileError,
  fileKind,
  fsyncFolder,
  makeFolder,
  readChunks,
  readRegularFile,
  removeTree,
  splitIntoChunks,
} from '@dm/files';
import { lstatSync, mkdirSync, renameSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { transpose } from '@dm/models';
import type { NdArray } from '@dm/ops';
import { checkpointPath, partialPath, setAside, stepOfName } from './layout.js';
import { formatManifest, parseManifest, type Manifest, type ManifestFields } from './manifest.js';
import { writeError } from '../files/atomic-write.js';
import { formatMebibytes, freeBytes } from '../files/disk.js';
import { codeOf, messageOf, UserError } from '../errors.js';

/**
 * Bytes of a file in their order. An array with `axes` is transposed (`transpose` of @dm/models) only when it is
 * written, so that no second copy of a large state is made. Plain data: it may be sent to another thread.
 */
export type FileContent = readonly FilePart[];
export type FilePart = Uint8Array | { readonly array: NdArray; readonly axes: readonly number[] };

/** A checkpoint whose manifest was read; the files read with it have the sizes and hashes that it says. */
export interface Checkpoint {
  readonly path: string;
  readonly manifest: Manifest;
  /** All that the manifest names, or those of them that were asked for. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/**
 * Writes one checkpoint and returns its path. Whatever happens on the way, a folder of the final name is complete. What has
 * that name already is not lost: it is set aside.
 *
 * `freeBytesOf`: gives the bytes that are left on the disk of a folder.
 *
 * @throws {UserError} if the disk has no room or refuses, or a newer version wrote a checkpoint of this step; checkpoints
 *   written before are untouched then
 */
export function writeCheckpoint(
  folder: string,
  fields: ManifestFields,
  files: Readonly<Record<string, FileContent>>,
  freeBytesOf: (folder: string) => number = freeBytes,
): string {
  const path = checkpointPath(folder, fields.step);
  const partial = partialPath(path);
  try {
    const isThere = fileKind(path, { followLinks: false }) !== undefined;
    if (isThere) refuseNewer(path);
    makeFolder(folder);
    removeTree(partial);
    checkSpace(path, bytesOnDisk(files), freeBytesOf(folder));
    mkdirSync(partial);
    const entries: Record<string, { bytes: number; sha256: string }> = {};
    for (const [name, content] of Object.entries(files)) entries[name] = writeFile(join(partial, name), content);
    createFile(join(partial, manifestName), formatManifest({ ...fields, files: entries }));
    fsyncFolder(partial);
    if (isThere) setAside(path);
    renameSync(partial, path);
    fsyncFolder(folder);
  } catch (error) {
    discard(partial);
    const reason = writeError(`The checkpoint ${path}`, error);
    throw reason instanceof UserError ? new UserError(`${reason.message} ${untouched}`, { code: reason.code }) : reason;
  }
  return path;
}

const untouched = 'Checkpoints written before are untouched: go on from the newest with --resume.';

/** Writes one file, hashing what goes by. */
function writeFile(path: string, content: FileContent): { bytes: number; sha256: string } {
  const hash = createHash('sha256');
  let bytes = 0;
  const hashed = function* () {
    for (const part of content) {
      for (const chunk of splitIntoChunks(
        part instanceof Uint8Array ? part : rawBytes(transpose(part.array, part.axes)),
      )) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    }
  };
  createFile(path, hashed());
  return { bytes, sha256: hash.digest('hex') };
}

/** The bytes of an array as they lie in memory, which is little-endian wherever the engines run. */
export function rawBytes({ data }: NdArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Disks give space away in blocks, of 4096 bytes on most. */
const block = 4096;

/** What these files take on a disk, a generous manifest included. */
function bytesOnDisk(files: Readonly<Record<string, FileContent>>): number {
  const sizes = Object.values(files).map((content) =>
    content.reduce((sum, part) => sum + (part instanceof Uint8Array ? part : part.array.data).byteLength, 0),
  );
  return [...sizes, 16 * block].reduce((sum, bytes) => sum + Math.ceil(bytes / block) * block, 0);
}

function checkSpace(path: string, needed: number, free: number): void {
  if (free >= needed) return;
  throw new UserError(
    `The checkpoint ${path} needs ${formatMebibytes(needed)}, and the disk has ${formatMebibytes(free)} left. Free some ` +
      'space, or keep fewer checkpoints (--keep-last 1).',
    { code: 'DISK_FULL' },
  );
}

/** Half a checkpoint must not stay on a disk that is full. What cannot be removed, the next writer or reader passes over. */
function discard(partial: string): void {
  try {
    removeTree(partial);
  } catch {
    // The error that led here says more than this one.
  }
}

/** The person's checkpoint of a newer version is not ours to replace. */
function refuseNewer(path: string): void {
  try {
    readManifest(path);
  } catch (error) {
    if (codeOf(error) === 'CHECKPOINT_NEWER') throw error;
  }
}

/**
 * Reads and verifies one checkpoint folder: all of it, or of its files those with the names `only`; the others are not
 * opened then.
 *
 * @throws {UserError} that names the file and what is wrong with it: `CHECKPOINT_NOT_FOUND` if there is no manifest,
 *   `CHECKPOINT_INVALID` if something is damaged, `CHECKPOINT_NEWER` if a newer version wrote it, `FILE_INVALID` if the
 *   system does not let us read
 */
export function readCheckpoint(path: string, only?: readonly string[]): Checkpoint {
  const manifest = readManifest(path);
  const files = new Map<string, Uint8Array>();
  for (const [name, expected] of Object.entries(manifest.files)) {
    if (only?.includes(name) !== false) files.set(name, readVerified(path, name, expected));
  }
  return { path, manifest, files };
}

/** Reads all of a checkpoint back, a chunk at a time. Throws as `readCheckpoint` does. */
export function verifyCheckpoint(folder: string): void {
  for (const [name, expected] of Object.entries(readManifest(folder).files)) {
    const path = fileIn(folder, name);
    checkSize(path, expected.bytes);
    const hash = createHash('sha256');
    readOrRefuse(path, () => {
      for (const chunk of readChunks(path, { maxBytes: expected.bytes, followLinks: false })) hash.update(chunk);
    });
    checkHash(path, hash.digest('hex'), expected);
  }
}

/**
 * What can be told of a checkpoint without reading its contents: the manifest is verified, and every file it names is
 * there with its size. Throws as `readCheckpoint` does.
 */
export function inspectCheckpoint(path: string): Manifest {
  const manifest = readManifest(path);
  for (const [name, { bytes }] of Object.entries(manifest.files)) checkSize(fileIn(path, name), bytes);
  return manifest;
}

const manifestName = 'manifest.json';
/** More than any model's tensors need. */
const maxManifestBytes = 2 ** 24;

/** Whether the folder is a checkpoint, if perhaps a damaged one. */
export function isCheckpoint(path: string): boolean {
  return fileKind(join(path, manifestName), { followLinks: false }) !== undefined;
}

function readManifest(folder: string): Manifest {
  const path = join(folder, manifestName);
  if (!isCheckpoint(folder)) {
    throw new UserError(`${folder} is no checkpoint: there is no manifest.json in it.`, {
      code: 'CHECKPOINT_NOT_FOUND',
    });
  }
  const size = sizeOf(path);
  if (size > maxManifestBytes) throw damaged(`${path} has ${size} bytes; a manifest has at most ${maxManifestBytes}.`);
  const manifest = parseManifest(
    readOrRefuse(path, () => readRegularFile(path, { maxBytes: maxManifestBytes, followLinks: false })),
    path,
  );
  const step = stepOfName(basename(resolve(folder)));
  if (step !== undefined && step !== manifest.step) {
    throw damaged(`${path} is of step ${manifest.step}, which its folder's name is not.`);
  }
  return manifest;
}

type FileEntry = Manifest['files'][string];

function readVerified(folder: string, name: string, expected: FileEntry): Uint8Array {
  const path = fileIn(folder, name);
  checkSize(path, expected.bytes);
  const hash = createHash('sha256');
  const bytes = readOrRefuse(path, () =>
    readRegularFile(path, {
      maxBytes: expected.bytes,
      followLinks: false,
      onChunk: (chunk) => hash.update(chunk),
    }),
  );
  checkHash(path, hash.digest('hex'), expected);
  return bytes;
}

function checkHash(path: string, found: string, { sha256 }: FileEntry): void {
  if (found !== sha256) throw damaged(`${path} is damaged: its SHA-256 is not the one in the manifest.`);
}

/** The path of a file that a manifest names: a name with a folder in it would lead out of the checkpoint. */
function fileIn(folder: string, name: string): string {
  if (basename(name) !== name) throw damaged(`${folder}: the manifest names a file outside of it: ${name}`);
  return join(folder, name);
}

function checkSize(path: string, expected: number): void {
  const size = sizeOf(path);
  if (size !== expected) throw damaged(`${path} has ${size} bytes; its manifest says ${expected}.`);
}

function sizeOf(path: string): number {
  const stats = readOrRefuse(path, () => lstatSync(path, { throwIfNoEntry: false }));
  if (stats === undefined) throw damaged(`${path} is missing.`);
  if (!stats.isFile()) throw damaged(`${path} is no regular file.`);
  return stats.size;
}

/** What the system may refuse though the file is as it was: the person can put that right, and nothing is damaged. */
const refusals: readonly (string | undefined)[] = ['EACCES', 'EPERM', 'EMFILE', 'ENFILE', 'ENOMEM'];

function readOrRefuse<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const cause = error instanceof FileError ? error.cause : error;
    if (refusals.includes(codeOf(cause))) {
      throw new UserError(`${path} cannot be read (${messageOf(error)}).`, { code: 'FILE_INVALID' });
    }
    throw damaged(`${path} cannot be read (${messageOf(error)}).`);
  }
}

function damaged(message: string): UserError {
  return new UserError(message, { code: 'CHECKPOINT_INVALID' });
}

/** Whether `readCheckpoint` threw because the checkpoint is damaged, and not for any other reason. */
export function isDamage(error: unknown): error is UserError {
  return error instanceof UserError && ['CHECKPOINT_INVALID', 'CHECKPOINT_NOT_FOUND'].includes(error.code);
}
