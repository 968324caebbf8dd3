/**
 * Checkpoints that cannot be half-written: a folder of files and a manifest with their sizes and SHA-256.
 *
 *   write   sibling folder step-000500.partial, each file synced, manifest.json last, rename to step-000500, sync
 *   prune   older folders, only after that
 *   read    newest first; what does not hold is skipped and said
 *
 * A checkpoint holds no clock time: the same training gives the same bytes.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { readBest } from './best.js';
import { syncFolder, writeSynced } from './durable.js';
import { messageOf, UserError } from './errors.js';

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

/** A checkpoint whose manifest was read and whose files have the sizes and hashes that it says. */
export interface Checkpoint {
  readonly path: string;
  readonly manifest: Manifest;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** `step-000500` in `folder`. */
export function checkpointPath(folder: string, step: number): string {
  return join(folder, `step-${String(step).padStart(6, '0')}`);
}

/**
 * Writes one checkpoint and returns its path. Whatever happens on the way, a folder of the final name is complete.
 * Throws a UserError where the disk refuses; checkpoints written before are untouched then.
 */
export function writeCheckpoint(
  folder: string,
  fields: ManifestFields,
  files: Readonly<Record<string, Uint8Array>>,
): string {
  const path = checkpointPath(folder, fields.step);
  const partial = `${path}.partial`;
  try {
    mkdirSync(folder, { recursive: true });
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial);
    const entries: Record<string, { bytes: number; sha256: string }> = {};
    for (const [name, bytes] of Object.entries(files)) {
      writeSynced(join(partial, name), bytes);
      entries[name] = { bytes: bytes.length, sha256: sha256(bytes) };
    }
    const manifest: Manifest = { format: checkpointFormat, ...fields, files: entries };
    writeSynced(join(partial, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    syncFolder(partial);
    // A folder of this name can only be one that was found invalid and trained past again.
    rmSync(path, { recursive: true, force: true });
    renameSync(partial, path);
    syncFolder(folder);
  } catch (error) {
    throw writeError(path, error);
  }
  return path;
}

function writeError(path: string, error: unknown): Error {
  const remedies: Record<string, string> = {
    ENOSPC: 'The disk is full: free some space, or keep fewer checkpoints (--set keep=1).',
    EDQUOT: 'The disk quota is used up: free some space, or keep fewer checkpoints (--set keep=1).',
    EFBIG: 'The file is larger than this system allows (ulimit -f).',
    EACCES: 'The folder may not be written: choose another with --out.',
    EROFS: 'The file system is read-only: choose another folder with --out.',
  };
  const { code } = error as NodeJS.ErrnoException;
  const remedy = code === undefined ? undefined : remedies[code];
  if (remedy === undefined) return error instanceof Error ? error : new Error(String(error));
  return new UserError(
    `The checkpoint ${path} could not be written (${messageOf(error)}). ${remedy} ` +
      'Checkpoints written before are untouched: go on from the newest with --resume.',
  );
}

/** Reads and verifies one checkpoint folder. Throws a UserError that names the file and what is wrong with it. */
export function readCheckpoint(path: string): Checkpoint {
  const manifestPath = join(path, 'manifest.json');
  if (!existsSync(manifestPath)) {
    throw new UserError(`${path} is no checkpoint: there is no manifest.json in it.`);
  }
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(manifestPath, 'utf8'));
  } catch (error) {
    throw new UserError(`${manifestPath} is not JSON (${messageOf(error)}).`);
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const { format } = (json ?? {}) as { format?: unknown };
    if (typeof format === 'number' && format > checkpointFormat) {
      throw new UserError(
        `${path} has format ${format}; this version reads up to ${checkpointFormat}. Use a newer @dm/trainer.`,
      );
    }
    throw new UserError(`${manifestPath} is damaged: ${z.prettifyError(parsed.error)}`);
  }
  const files = new Map<string, Uint8Array>();
  for (const [name, expected] of Object.entries(parsed.data.files)) {
    files.set(name, readVerified(path, name, expected));
  }
  return { path, manifest: parsed.data, files };
}

function readVerified(folder: string, name: string, expected: { bytes: number; sha256: string }): Uint8Array {
  // A name with a folder in it would read outside of the checkpoint.
  if (basename(name) !== name) throw new UserError(`${folder}: the manifest names a file outside of it: ${name}`);
  const path = join(folder, name);
  if (!existsSync(path)) throw new UserError(`${path} is missing.`);
  const bytes = readFileSync(path);
  if (bytes.length !== expected.bytes) {
    throw new UserError(`${path} has ${bytes.length} bytes; its manifest says ${expected.bytes}.`);
  }
  if (sha256(bytes) !== expected.sha256) {
    throw new UserError(`${path} is damaged: its SHA-256 is not the one in the manifest.`);
  }
  // A plain view: a Buffer's slice is no copy, which readers of typed arrays do not expect.
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

export interface Latest {
  /** The newest checkpoint that holds, if there is one. */
  readonly checkpoint: Checkpoint | undefined;
  /** Newer ones that do not, with the reason. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

/** Finds the newest valid checkpoint of a run's `checkpoints` folder, reading from the newest down. */
export function latestValid(folder: string): Latest {
  const skipped: { path: string; reason: string }[] = [];
  for (const { path, complete } of listCheckpoints(folder).toReversed()) {
    if (!complete) {
      skipped.push({ path, reason: 'writing it was never finished' });
      continue;
    }
    try {
      return { checkpoint: readCheckpoint(path), skipped };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      skipped.push({ path, reason: error.message });
    }
  }
  return { checkpoint: undefined, skipped };
}

/** Removes the oldest complete checkpoints so that `keep` remain, besides the best one (best.json), and what earlier, killed writers left behind. */
export function pruneCheckpoints(folder: string, keep: number): void {
  const all = listCheckpoints(folder);
  const best = readBest(folder)?.step;
  const complete = all.filter((c) => c.complete);
  const old = complete.slice(0, Math.max(0, complete.length - keep)).filter((c) => c.step !== best);
  for (const { path } of [...old, ...all.filter((c) => !c.complete)]) {
    rmSync(path, { recursive: true, force: true });
  }
}

/** Checkpoint folders by step, oldest first; `complete` is false for those that a killed writer left behind. */
function listCheckpoints(folder: string): { path: string; step: number; complete: boolean }[] {
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
export function runOfCheckpoint(path: string): string {
  return dirname(dirname(path));
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
