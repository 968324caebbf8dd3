/** The files of a run folder. */
import { FileError, fileKind, insideFolder, listFolder, makeFolder, removeIfEmpty, removeLeftovers } from '@dm/files';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { messageOf, UserError } from '../errors.js';
import { isOwnEventFile } from './event-file-name.js';

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
  /** The run that a new one replaces, until the first step of the new one is done, see new-run.ts. */
  readonly overwritten: string;
}

/** Names in a run folder, the configuration first; event files of TensorBoard have others. */
const names = {
  config: 'config.json',
  metrics: 'metrics.jsonl',
  difficulty: 'difficulty.jsonl',
  validation: 'validation.json',
  samples: 'samples',
  checkpoints: 'checkpoints',
  emaSnapshots: 'ema-snapshots',
  report: 'report.html',
} as const;

/**
 * The paths of a run in the folder `path`, whether they exist or not. A run folder may be untrusted, so none of them may
 * be a symbolic link, through which files outside the folder would be read or written. `path` itself may be one. Files in
 * `samples` and `checkpoints` are opened without following links.
 *
 * @throws {FileError} if a file or folder of the run is a symbolic link
 */
export function runFolder(path: string): RunFolder {
  const inside = (name: string) => insideFolder(path, name);
  return {
    path,
    config: inside(names.config),
    metrics: inside(names.metrics),
    difficulty: inside(names.difficulty),
    validation: inside(names.validation),
    samples: inside(names.samples),
    checkpoints: inside(names.checkpoints),
    emaSnapshots: inside(names.emaSnapshots),
    report: inside(names.report),
    overwritten: inside('.overwritten'),
  };
}

/** Those that are folders. */
const folders: readonly string[] = [names.samples, names.checkpoints, names.emaSnapshots];

/** Names of the files and folders of runs that `folder` has, the configuration first. */
export function namesOf(folder: string): string[] {
  if (fileKind(folder) !== 'folder') return [];
  const kindOf = (name: string) => fileKind(join(folder, name), { followLinks: false });
  const own = Object.values(names).filter((name) => kindOf(name) === (folders.includes(name) ? 'folder' : 'file'));
  return [...own, ...listFolder(folder).flatMap(({ name }) => (isOwnEventFile(name) ? [name] : []))];
}

/**
 * The folder for a new run without an explicit `--out`: `out`, or the first of `out-2`, `out-3`, ... that has no files with
 * names of a run's.
 */
export function defaultRunFolder(out: string): RunFolder {
  for (let n = 1; ; n++) {
    const run = runFolder(n === 1 ? out : `${out}-${n}`);
    if (!hasRun(run) && usedNames(run).length === 0) return run;
  }
}

/** Names that a new run would use; folders that are empty can be shared. */
export function usedNames({ path }: RunFolder): string[] {
  return namesOf(path).filter((name) => !folders.includes(name) || listFolder(join(path, name)).length > 0);
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
  const used = [run.path, run.samples, run.checkpoints];
  explained(run, () => {
    for (const folder of used) {
      makeFolder(folder);
      accessSync(folder, constants.W_OK);
    }
  });
  for (const folder of used) removeLeftovers(folder);
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
    namesOf(run.overwritten).length > 0 ||
    (fileKind(run.checkpoints) === 'folder' && listFolder(run.checkpoints).length > 0)
  );
}
