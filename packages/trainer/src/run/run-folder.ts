/** The files of a run folder. */
import { FileError, fileKind, insideFolder, listFolder, makeFolder, removeIfEmpty, removeLeftovers } from '@dm/files';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { messageOf, UserError } from '../errors.js';

export interface RunFolder {
  readonly path: string;
  /** The resolved configuration, with what the run recorded (`recorded`). */
  readonly config: string;
  /** One JSON object per logged step. */
  readonly metrics: string;
  /** Loss and gradient per noise bucket, see eval/difficulty/file.ts. */
  readonly difficulty: string;
  /** What the validation loss is measured on, see eval/validation/file.ts. */
  readonly validation: string;
  /** Sample grids, step-000500.png; of latents also the arrays, step-000500.npz. */
  readonly samples: string;
  /** step-000500/, see checkpoint.ts. */
  readonly checkpoints: string;
  /** Snapshots of averages, see checkpoint/ema-snapshots.ts. */
  readonly emaSnapshots: string;
  readonly report: string;
}

/**
 * The paths of a run in the folder `path`, whether they exist or not. A run folder may be untrusted, so none of them may
 * be a symbolic link, through which files outside the folder would be read or written. `path` itself may be one. Files in
 * `samples` and `checkpoints` are opened without following links.
 *
 * @throws {FileError} if a file or folder of the run is a symbolic link
 */
export function runFolder(path: string): RunFolder {
  return {
    path,
    config: insideFolder(path, 'config.json'),
    metrics: insideFolder(path, 'metrics.jsonl'),
    difficulty: insideFolder(path, 'difficulty.jsonl'),
    validation: insideFolder(path, 'validation.json'),
    samples: insideFolder(path, 'samples'),
    checkpoints: insideFolder(path, 'checkpoints'),
    emaSnapshots: insideFolder(path, 'ema-snapshots'),
    report: insideFolder(path, 'report.html'),
  };
}

/**
 * The folder for a new run without an explicit `--out`: `out`, or the first of `out-2`, `out-3`, ... that does not contain
 * a run.
 */
export function defaultRunFolder(out: string): RunFolder {
  for (let n = 1; ; n++) {
    const run = runFolder(n === 1 ? out : `${out}-${n}`);
    if (!hasRun(run)) return run;
  }
}

export function noRunError(out: string): UserError {
  return new UserError(`There is no run in ${out} to continue. Give its folder with --out.`, { code: 'RUN_NOT_FOUND' });
}

/** `samples/step-000500.png` */
export function samplePath(run: RunFolder, step: number): string {
  return join(run.samples, `step-${String(step).padStart(6, '0')}.png`);
}

/** `samples/step-000500.npz` */
export function latentSamplePath(run: RunFolder, step: number): string {
  return samplePath(run, step).replace(/png$/, 'npz');
}

/**
 * Creates the folder itself, for the lock. Returns a function that removes what was created here, as far as it is empty.
 *
 * @throws {UserError} if it cannot be created
 */
export function reserveRunFolder(run: RunFolder): () => void {
  const created = explained(run, () => makeFolder(run.path));
  return () => {
    for (const folder of created.toReversed()) if (!removeIfEmpty(folder)) return;
  };
}

/**
 * Creates the folder with its subfolders, and removes temporary files left behind by killed processes.
 *
 * @throws {UserError} if one cannot be created, or must not be written to
 */
export function createRunFolder(run: RunFolder): void {
  const folders = [run.path, run.samples, run.checkpoints];
  explained(run, () => {
    for (const folder of folders) {
      makeFolder(folder);
      accessSync(folder, constants.W_OK);
    }
  });
  for (const folder of folders) removeLeftovers(folder);
}

function explained<T>(run: RunFolder, create: () => T): T {
  try {
    return create();
  } catch (error) {
    const cause = error instanceof FileError ? (error.cause ?? error) : error;
    throw new UserError(
      `Cannot create the run folder ${run.path} (${messageOf(cause)}). Choose another folder with --out.`,
      { code: 'WRITE_FAILED', cause: error },
    );
  }
}

/** Whether the folder contains a run. */
export function hasRun(run: RunFolder): boolean {
  return (
    fileKind(run.config) !== undefined ||
    (fileKind(run.checkpoints) === 'folder' && listFolder(run.checkpoints).length > 0)
  );
}
