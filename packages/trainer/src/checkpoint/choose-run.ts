/** The run that `--resume` or `--extend` without `--out` means. */
import { dmCommand, fileKind, listFolder } from '@dm/files';
import { join } from 'node:path';
import { statSync } from 'node:fs';
import { newestManifest } from './checkpoint-folder.js';
import { resolveConfig } from '../config/resolve.js';
import { savedConfig } from '../config/saved-config.js';
import { messageOf, UserError } from '../errors.js';
import { isLocked } from '../run/lock.js';
import { hasRun, runFolder, type RunFolder } from '../run/run-folder.js';
import { optimizerFile } from '../setup/state-table.js';

interface FoundRun {
  readonly run: RunFolder;
  /** Optimizer steps done, of `totalSteps`. */
  readonly step: number;
  readonly totalSteps: number;
  /** When it last wrote its configuration, log, or checkpoints, in milliseconds. */
  readonly usedAt: number;
}

/**
 * The most recently used run in the folder `parent` that is unfinished (to resume) or finished (to extend), and that no
 * process is using. `note` receives which one it is.
 *
 * @throws {UserError} `RUN_NOT_FOUND` if there is none; the message says what there is instead
 */
export function chooseRun(parent: string, purpose: 'resume' | 'extend', note: (text: string) => void): RunFolder {
  const runs = trainingRuns(parent, note);
  const isSuitable = ({ step, totalSteps }: FoundRun) => (purpose === 'resume') === step < totalSteps;
  const suitable = runs.filter(isSuitable);
  const chosen = suitable.find(({ run }) => !isLocked(run.path));
  if (chosen === undefined) throw noneError(parent, purpose, runs, suitable);
  const { run, step, totalSteps } = chosen;
  const which = purpose === 'resume' ? 'newest unfinished run' : 'newest finished run';
  note(`${run.path} is the ${which} in ${parent}: step ${step} of ${totalSteps}`);
  return run;
}

function noneError(
  parent: string,
  purpose: 'resume' | 'extend',
  runs: readonly FoundRun[],
  suitable: readonly FoundRun[],
): UserError {
  const kind = purpose === 'resume' ? 'unfinished' : 'finished';
  const [newest] = runs;
  const [inUse] = suitable;
  let hint = 'Give its folder with --out.';
  if (inUse !== undefined) hint = `${inUse.run.path} is in use by another process.`;
  else if (newest !== undefined && purpose === 'resume') {
    hint =
      `${newest.run.path} has done all its ${newest.totalSteps} steps. To train it further: ` +
      dmCommand(['train'], { extend: '<steps>', out: newest.run.path });
  } else if (newest !== undefined) {
    hint =
      `${newest.run.path} has done ${newest.step} of ${newest.totalSteps} steps. To finish it: ` +
      dmCommand(['train'], { resume: true, out: newest.run.path });
  }
  return new UserError(`There is no ${kind} run in ${parent} to ${purpose}. ${hint}`, { code: 'RUN_NOT_FOUND' });
}

/** The runs that were trained in subfolders of `parent`, most recently used first. Unreadable ones are reported. */
function trainingRuns(parent: string, note: (text: string) => void): FoundRun[] {
  if (fileKind(parent) !== 'folder') return [];
  const found = listFolder(parent).flatMap(({ name }) => {
    const path = join(parent, name);
    try {
      return fileKind(path) === 'folder' ? describeRun(runFolder(path)) : [];
    } catch (error) {
      note(`skipped ${path}: ${messageOf(error)}`);
      return [];
    }
  });
  return found.toSorted((a, b) => b.usedAt - a.usedAt);
}

/** Nothing for a folder without a run, or with imported weights only. */
function describeRun(run: RunFolder): FoundRun[] {
  if (!hasRun(run)) return [];
  const { totalSteps } = resolveConfig([savedConfig(run)]);
  const newest = newestManifest(run.checkpoints);
  if (newest !== undefined && !Object.hasOwn(newest.files, optimizerFile)) return [];
  const usedAt = [run.config, run.metrics, run.checkpoints].reduce(
    (latest, path) => Math.max(latest, statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0),
    0,
  );
  return [{ run, step: newest?.step ?? 0, totalSteps, usedAt }];
}
