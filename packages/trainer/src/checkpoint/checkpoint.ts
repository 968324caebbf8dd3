/**
 * Crash-safe reading and writing of one checkpoint: a folder of files and a manifest with their sizes and SHA-256.
 *
 *   write   to the sibling folder step-000500.partial: sync each file, manifest.json last; rename to step-000500, sync.
 *           Does not start if the disk does not have enough space.
 *   read    verify the manifest, then each file against it
 *
 * Checkpoints contain no timestamps: the same training gives the same bytes. checkpoint-folder.ts decides which
 * checkpoints of a run are read, kept and removed.
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
  renameOver,
} from '@dm/files';
import { lstatSync, mkdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { stepOfName } from './checkpoint-name.js';
import { checkHash, contentSize, partBytes, type Checkpoint, type FileContent, type FileEntry } from './content.js';
import { damaged } from './damage.js';
import { checkpointPath, partialPath, setAside } from './layout.js';
import { manifestName, maxManifestBytes, type Manifest, type ManifestFields } from './manifest-format.js';
import { formatManifest, parseManifest } from './manifest.js';
import { writeError } from '../files/atomic-write.js';
import { formatMebibytes, freeBytes } from '../files/disk.js';
import { codeOf, messageOf, UserError } from '../errors.js';

/**
 * Writes one checkpoint atomically and returns its path. If something of that name exists, it is renamed, not lost.
 *
 * `freeBytesOf` returns the free bytes on the disk of a folder.
 *
 * @throws {UserError} `DISK_FULL` or `WRITE_FAILED` if it cannot be written, `CHECKPOINT_NEWER` if a newer version wrote a
 *   checkpoint of this step; existing checkpoints are not changed in these cases
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
    renameOver(partial, path);
    fsyncFolder(folder);
  } catch (error) {
    discard(partial);
    const reason = writeError(`The checkpoint ${path}`, error);
    throw reason instanceof UserError ? new UserError(`${reason.message} ${untouched}`, { code: reason.code }) : reason;
  }
  return path;
}

const untouched = 'Existing checkpoints were not changed; continue from the newest with --resume.';

/** Writes one file and computes its hash. */
function writeFile(path: string, content: FileContent): { bytes: number; sha256: string } {
  const hash = createHash('sha256');
  let bytes = 0;
  const hashed = function* () {
    for (const part of content) {
      for (const chunk of splitIntoChunks(partBytes(part))) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    }
  };
  createFile(path, hashed());
  return { bytes, sha256: hash.digest('hex') };
}

/** Typical block size of file systems, in bytes. */
const block = 4096;

/** Upper estimate of the disk space for these files and the manifest, in bytes. */
function bytesOnDisk(files: Readonly<Record<string, FileContent>>): number {
  const sizes = Object.values(files).map(contentSize);
  return [...sizes, 16 * block].reduce((sum, bytes) => sum + Math.ceil(bytes / block) * block, 0);
}

function checkSpace(path: string, needed: number, free: number): void {
  if (free >= needed) return;
  throw new UserError(
    `The checkpoint ${path} needs ${formatMebibytes(needed)}, but the disk has only ${formatMebibytes(free)} left. Free some ` +
      'space, or keep fewer checkpoints (--keep-last 1).',
    { code: 'DISK_FULL' },
  );
}

/** Removes a partial checkpoint, which would occupy a full disk. If that fails, later writers and readers ignore it. */
function discard(partial: string): void {
  try {
    removeTree(partial);
  } catch {
    // The error that led here says more than this one.
  }
}

/** Prevents replacing a checkpoint that a newer version wrote. */
function refuseNewer(path: string): void {
  try {
    readManifest(path);
  } catch (error) {
    if (codeOf(error) === 'CHECKPOINT_NEWER') throw error;
  }
}

/**
 * Reads and verifies one checkpoint folder; with `only`, opens just the files with these names.
 *
 * @throws {UserError} `CHECKPOINT_NOT_FOUND` if there is no manifest, `CHECKPOINT_INVALID` if something is damaged,
 *   `CHECKPOINT_NEWER` if a newer version wrote it, `FILE_INVALID` if the system denies reading; the message names the file
 */
export function readCheckpoint(path: string, only?: readonly string[]): Checkpoint {
  const manifest = readManifest(path);
  const files = new Map<string, Uint8Array>();
  for (const [name, expected] of Object.entries(manifest.files)) {
    if (only?.includes(name) !== false) files.set(name, readVerified(path, name, expected));
  }
  return { path, manifest, files };
}

/**
 * Reads all files of a checkpoint in chunks and verifies them.
 *
 * @throws {UserError} in the cases of `readCheckpoint`
 */
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
 * Verifies a checkpoint without reading file contents: its manifest, and the presence and size of every file in it.
 *
 * @throws {UserError} in the cases of `readCheckpoint`
 */
export function inspectCheckpoint(path: string): Manifest {
  const manifest = readManifest(path);
  for (const [name, { bytes }] of Object.entries(manifest.files)) checkSize(fileIn(path, name), bytes);
  return manifest;
}

/** Whether the folder is a checkpoint, valid or damaged. */
export function isCheckpoint(path: string): boolean {
  return fileKind(join(path, manifestName), { followLinks: false }) !== undefined;
}

function readManifest(folder: string): Manifest {
  const path = join(folder, manifestName);
  if (!isCheckpoint(folder)) {
    throw new UserError(`${folder} is not a checkpoint: it has no manifest.json.`, {
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
    throw damaged(`${path} is for step ${manifest.step}, unlike the name of its folder.`);
  }
  return manifest;
}

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

/** The path of a file named in a manifest; names with folders, which could lead out of the checkpoint, are rejected. */
function fileIn(folder: string, name: string): string {
  if (basename(name) !== name) throw damaged(`${folder}: the manifest names a file outside the checkpoint: ${name}`);
  return join(folder, name);
}

function checkSize(path: string, expected: number): void {
  const size = sizeOf(path);
  if (size !== expected) throw damaged(`${path} has ${size} bytes; its manifest says ${expected}.`);
}

function sizeOf(path: string): number {
  const stats = readOrRefuse(path, () => lstatSync(path, { throwIfNoEntry: false }));
  if (stats === undefined) throw damaged(`${path} is missing.`);
  if (!stats.isFile()) throw damaged(`${path} is not a regular file.`);
  return stats.size;
}

/** System errors that mean that something else is there than a checkpoint writes. Of any other, the cause may pass. */
const damageErrnos: readonly string[] = ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENXIO'];

/**
 * @throws {UserError} `FILE_INVALID` if the system does not read it now, for example since it may not, or a network folder is
 *   out of reach; `CHECKPOINT_INVALID` for other errors
 */
export function readOrRefuse<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const errno = codeOf(error instanceof FileError ? error.cause : error);
    const message = `${path} cannot be read (${messageOf(error)}).`;
    const isDamaged = errno === undefined || !/^E[A-Z0-9]+$/.test(errno) || damageErrnos.includes(errno);
    throw isDamaged ? damaged(message) : new UserError(message, { code: 'FILE_INVALID', cause: error });
  }
}
