/**
 * Checkpoints that cannot be half-written: a folder of files and a manifest with their sizes and SHA-256.
 *
 *   write   sibling folder step-000500.partial, each file synced, manifest.json last, rename to step-000500, sync;
 *           not begun where the disk has no room for it
 *   prune   older folders, only after that
 *   read    newest first; what does not hold is skipped and said
 *
 * A checkpoint holds no clock time: the same training gives the same bytes.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { transpose } from '@dm/models';
import type { NdArray } from '@dm/ops';
import { z } from 'zod';
import { readBest } from './best.js';
import { expiredSteps, type RetentionPolicy } from './policy.js';
import { fsyncFolder, writeChunks, writeError } from '../files/atomic-write.js';
import { formatMebibytes, freeBytes } from '../files/disk.js';
import { messageOf, UserError } from '../errors.js';
import { readFileChunked, splitIntoChunks } from '../files/read-file.js';
import { runFolder } from '../run/run-folder.js';

/**
 * Version of this layout. A reader for every version ever written stays in this file, and a small checkpoint of
 * each, which a test goes on training from, in fixtures/format-<version>.
 */
export const checkpointFormat = 1;

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');

const manifestSchema = z.object({
  format: z.literal(checkpointFormat),
  /** Optimizer steps done. */
  step: z.int().min(0),
  /** Of the part of the configuration that decides the weights (`trainingHash`). */
  configSha256: sha256Hex,
  dataSha256: sha256Hex,
  /** Name and `info` of the engine: what decides the last bits. */
  engine: z.object({
    name: z.string(),
    info: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  }),
  /** Sums of the log line that was being gathered when the checkpoint was written. */
  log: z.record(z.string(), z.array(z.number())),
  files: z.record(z.string(), z.object({ bytes: z.int().min(0), sha256: sha256Hex })),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestFields = Omit<Manifest, 'format' | 'files'>;

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

/** `step-000500` in `folder`. */
export function checkpointPath(folder: string, step: number): string {
  return join(folder, `step-${String(step).padStart(6, '0')}`);
}

/**
 * Writes one checkpoint and returns its path. Whatever happens on the way, a folder of the final name is complete.
 * Throws a UserError where the disk has no room or refuses; checkpoints written before are untouched then.
 *
 * `freeBytesOf`: gives the bytes that are left on the disk of a folder.
 */
export function writeCheckpoint(
  folder: string,
  fields: ManifestFields,
  files: Readonly<Record<string, FileContent>>,
  freeBytesOf: (folder: string) => number = freeBytes,
): string {
  const path = checkpointPath(folder, fields.step);
  const partial = `${path}.partial`;
  try {
    mkdirSync(folder, { recursive: true });
    rmSync(partial, { recursive: true, force: true });
    checkSpace(path, bytesOnDisk(files), freeBytesOf(folder));
    mkdirSync(partial);
    const entries: Record<string, { bytes: number; sha256: string }> = {};
    for (const [name, content] of Object.entries(files)) entries[name] = writeFile(join(partial, name), content);
    const manifest: Manifest = { format: checkpointFormat, ...fields, files: entries };
    writeChunks(join(partial, 'manifest.json'), [Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)]);
    fsyncFolder(partial);
    // A folder of this name can only be one that was found invalid and trained past again.
    rmSync(path, { recursive: true, force: true });
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
  writeChunks(path, hashed());
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
    rmSync(partial, { recursive: true, force: true });
  } catch {
    // The error that led here says more than this one.
  }
}

/**
 * Reads and verifies one checkpoint folder: all of it, or of its files those with the names `only`; the others are not
 * opened then. Throws a UserError that names the file and what is wrong with it.
 */
export function readCheckpoint(path: string, only?: readonly string[]): Checkpoint {
  const manifestPath = join(path, 'manifest.json');
  if (!existsSync(manifestPath)) {
    throw new UserError(`${path} is no checkpoint: there is no manifest.json in it.`, { code: 'CHECKPOINT_NOT_FOUND' });
  }
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(manifestPath, 'utf8'));
  } catch (error) {
    throw new UserError(`${manifestPath} is not JSON (${messageOf(error)}).`, { code: 'CHECKPOINT_INVALID' });
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const { format } = (json ?? {}) as { format?: unknown };
    if (typeof format === 'number' && format > checkpointFormat) {
      throw new UserError(
        `${path} has format ${format}; this version reads up to ${checkpointFormat}. Use a newer @dm/trainer.`,
        { code: 'CHECKPOINT_INVALID' },
      );
    }
    throw new UserError(`${manifestPath} is damaged: ${z.prettifyError(parsed.error)}`, { code: 'CHECKPOINT_INVALID' });
  }
  const files = new Map<string, Uint8Array>();
  for (const [name, expected] of Object.entries(parsed.data.files)) {
    if (only?.includes(name) !== false) files.set(name, readVerified(path, name, expected));
  }
  return { path, manifest: parsed.data, files };
}

function readVerified(folder: string, name: string, expected: { bytes: number; sha256: string }): Uint8Array {
  // A name with a folder in it would read outside of the checkpoint.
  if (basename(name) !== name)
    throw new UserError(`${folder}: the manifest names a file outside of it: ${name}`, { code: 'CHECKPOINT_INVALID' });
  const path = join(folder, name);
  if (!existsSync(path)) throw new UserError(`${path} is missing.`, { code: 'CHECKPOINT_INVALID' });
  const { size } = statSync(path);
  if (size !== expected.bytes) {
    throw new UserError(`${path} has ${size} bytes; its manifest says ${expected.bytes}.`, {
      code: 'CHECKPOINT_INVALID',
    });
  }
  const hash = createHash('sha256');
  const bytes = readFileChunked(path, { onChunk: (chunk) => hash.update(chunk) });
  if (hash.digest('hex') !== expected.sha256) {
    throw new UserError(`${path} is damaged: its SHA-256 is not the one in the manifest.`, {
      code: 'CHECKPOINT_INVALID',
    });
  }
  return bytes;
}

export interface LatestCheckpoint {
  /** The newest checkpoint that holds, if there is one. */
  readonly checkpoint: Checkpoint | undefined;
  /** Newer ones that do not, with the reason. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * Finds the newest valid checkpoint of a run's `checkpoints` folder, reading from the newest down: valid as a whole, or as
 * far as its files `only` go.
 */
export function latestCheckpoint(folder: string, only?: readonly string[]): LatestCheckpoint {
  const skipped: { path: string; reason: string }[] = [];
  for (const { path, complete } of listCheckpoints(folder).toReversed()) {
    if (!complete) {
      skipped.push({ path, reason: 'writing it was never finished' });
      continue;
    }
    try {
      return { checkpoint: readCheckpoint(path, only), skipped };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      skipped.push({ path, reason: error.message });
    }
  }
  return { checkpoint: undefined, skipped };
}

/**
 * The checkpoint in this folder, or the newest valid one of the run in it, with its files `only`. Throws a UserError where
 * there is neither.
 */
export function resolveCheckpoint(path: string, only: readonly string[]): Checkpoint {
  if (existsSync(join(path, 'manifest.json'))) return readCheckpoint(path, only);
  const { checkpoint } = latestCheckpoint(runFolder(path).checkpoints, only);
  if (checkpoint === undefined)
    throw new UserError(`${path} is neither a checkpoint nor a run with a valid one.`, {
      code: 'CHECKPOINT_NOT_FOUND',
    });
  return checkpoint;
}

/** Removes the complete checkpoints that `retention` does not keep, and what earlier, killed writers left behind. */
export function pruneCheckpoints(folder: string, retention: RetentionPolicy): void {
  const all = listCheckpoints(folder);
  const steps = all.filter((c) => c.complete).map((c) => c.step);
  const expired = expiredSteps(retention, steps, readBest(folder)?.step);
  for (const { path, step, complete } of all) {
    if (!complete || expired.includes(step)) rmSync(path, { recursive: true, force: true });
  }
}

/** Checkpoint folders by step, oldest first; `complete` is false for those that a killed writer left behind. */
export function listCheckpoints(folder: string): { path: string; step: number; complete: boolean }[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((name) => {
      const match = /^step-(\d+)(\.partial)?$/.exec(name);
      if (match === null) return [];
      return [{ path: join(folder, name), step: Number(match[1]), complete: match[2] === undefined }];
    })
    .toSorted((a, b) => a.step - b.step || Number(a.complete) - Number(b.complete));
}

/** The `checkpoints` folder that a checkpoint lies in, and the run above it. */
export function runPathOfCheckpoint(path: string): string {
  return dirname(dirname(path));
}
