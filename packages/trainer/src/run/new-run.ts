/** A new run until its first step is done: until then, nothing of the run that it replaces is lost. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { makeFolder, removeTree, renameOver } from '@dm/files';
import { namesOf, type RunFolder } from './run-folder.js';

export interface NewRun {
  /** The first step is done: removes the run that was replaced, if there was one. */
  keep(): void;
  /** Removes what the new run has written, and restores the one that it was to replace. */
  undo(): void;
}

/**
 * Begins a new run: moves the files of the run in the folder, if there is one, to its subfolder `.overwritten`. A run whose
 * process ended before its first step is removed instead, since the one that it was to replace is there already.
 *
 * @throws {Error} if a file cannot be moved; then all are in their places again
 */
export function beginNewRun(run: RunFolder): NewRun {
  const undo = () => {
    removeFiles(run);
    restoreOverwritten(run);
  };
  if (namesOf(run.overwritten).length > 0) removeFiles(run);
  else {
    try {
      setAside(run);
    } catch (error) {
      restoreOverwritten(run);
      throw error;
    }
  }
  return { keep: () => removeOverwritten(run), undo };
}

/** Of a resumed run, which a process may have begun that ended before its first step. */
export function continuedRun(run: RunFolder): NewRun {
  return { keep: () => removeOverwritten(run), undo: () => {} };
}

/** Restores a run if its replacement had no configuration yet when its process ended. The folder must be locked. */
export function recoverOverwritten(run: RunFolder): void {
  if (!existsSync(run.config)) restoreOverwritten(run);
}

/** The configuration first: a folder without one, but with `.overwritten`, has a run that is to be restored. */
function setAside(run: RunFolder): void {
  const names = namesOf(run.path);
  if (names.length === 0) return;
  makeFolder(run.overwritten);
  for (const name of names) renameOver(join(run.path, name), join(run.overwritten, name));
}

/** The configuration last: as long as it is missing, the rest is still to be restored. */
function restoreOverwritten(run: RunFolder): void {
  if (!existsSync(run.overwritten)) return;
  const isConfig = (name: string) => name === basename(run.config);
  const names = namesOf(run.overwritten).toSorted((a, b) => Number(isConfig(a)) - Number(isConfig(b)));
  for (const name of names) {
    const path = join(run.path, name);
    removeTree(path);
    renameOver(join(run.overwritten, name), path);
  }
  removeTree(run.overwritten);
}

/** Renamed first, so that a part of the former run is never taken for all of it. */
function removeOverwritten(run: RunFolder): void {
  const removed = `${run.overwritten}.old`;
  removeTree(removed);
  if (!existsSync(run.overwritten)) return;
  renameOver(run.overwritten, removed);
  removeTree(removed);
}

/** Removes all files of a run, except the lock. Keeps files of other programs. */
function removeFiles(run: RunFolder): void {
  for (const name of namesOf(run.path)) removeTree(join(run.path, name));
}
