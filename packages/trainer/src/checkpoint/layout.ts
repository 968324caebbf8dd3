/**
 * Names in a run's `checkpoints` folder:
 *
 *   step-000500             a complete checkpoint
 *   step-000500.partial     one that is being written or removed, or that a killed process left behind
 *   step-000500.damaged     one that was found to be damaged (.damaged-2 and so on if that name is taken)
 *   best.json               see best.ts
 *
 * All other names belong to other programs and are ignored.
 */
import { fileKind, fsyncFolder, listFolder, renameOver } from '@dm/files';
import { dirname, join } from 'node:path';
import { checkpointName, stepOfName } from './checkpoint-name.js';

/** `step-000500` in `folder`. */
export function checkpointPath(folder: string, step: number): string {
  return join(folder, checkpointName(step));
}

export interface ListedCheckpoint {
  readonly path: string;
  readonly step: number;
  /** False if it is being written or removed, or was left behind by a killed process. */
  readonly complete: boolean;
}

/** Checkpoint folders by step, oldest first. */
export function listCheckpoints(folder: string): ListedCheckpoint[] {
  if (fileKind(folder) === undefined) return [];
  return listFolder(folder)
    .flatMap(({ name }) => {
      const complete = !isPartial(name);
      const step = stepOfName(complete ? name : name.slice(0, -partialSuffix.length));
      return step === undefined ? [] : [{ path: join(folder, name), step, complete }];
    })
    .toSorted((a, b) => a.step - b.step || Number(a.complete) - Number(b.complete));
}

const partialSuffix = '.partial';

/** Whether this is the name or path of an incomplete checkpoint. */
export function isPartial(path: string): boolean {
  return path.endsWith(partialSuffix);
}

/** The path of a checkpoint while it is being written or removed. */
export function partialPath(path: string): string {
  return `${path}${partialSuffix}`;
}

/** Renames `path` to a free name that readers ignore, and returns the new path. */
export function setAside(path: string): string {
  const name = (n: number) => `${path}.damaged${n === 1 ? '' : `-${n}`}`;
  let n = 1;
  while (fileKind(name(n), { followLinks: false }) !== undefined) n++;
  renameOver(path, name(n));
  fsyncFolder(dirname(path));
  return name(n);
}

/** Paths of the checkpoints in `folder` that `setAside` renamed, sorted by step. */
export function listSetAside(folder: string): string[] {
  return listFolder(folder)
    .flatMap(({ name }) => {
      const [, stem, n = '1'] = /^(.+)\.damaged(?:-(\d+))?$/.exec(name) ?? [];
      const step = stem === undefined ? undefined : stepOfName(stem);
      return step === undefined ? [] : [{ path: join(folder, name), step, n: Number(n) }];
    })
    .toSorted((a, b) => a.step - b.step || a.n - b.n)
    .map(({ path }) => path);
}

/** The run folder of a checkpoint, which is the parent of the `checkpoints` folder. */
export function runPathOfCheckpoint(path: string): string {
  return dirname(dirname(path));
}
