/** The folder of a new run, in which there may be files of other programs. */
import { join } from 'node:path';
import { fileKind, listFolder, readJsonFile } from '@dm/files';
import { stepOfName } from '../checkpoint/checkpoint-name.js';
import { manifestName } from '../checkpoint/manifest-format.js';
import { UserError } from '../errors.js';
import { namesOf, usedNames, type RunFolder } from '../run/run-folder.js';

/**
 * Checks that a new run removes and changes only files of a run in its folder, and no files of other programs.
 *
 * @throws {UserError} `FILE_EXISTS` if it has files with names of a run's, but no run
 */
export function checkOwnFolder(run: RunFolder): void {
  if (isOwnRun(run)) return;
  const used = usedNames(run);
  if (used.length === 0) return;
  throw new UserError(
    `${run.path} has ${used.join(', ')}, but no run of dm. A new run would replace ${used.length === 1 ? 'it' : 'them'}: ` +
      'choose another folder with --out, or move what is there.',
    { code: 'FILE_EXISTS' },
  );
}

/** Whether the folder contains a run that this program has written, rather than files with the same names. */
function isOwnRun(run: RunFolder): boolean {
  return namesOf(run.overwritten).length > 0 || hasOwnConfig(run) || hasOwnCheckpoint(run);
}

function hasOwnConfig({ config }: RunFolder): boolean {
  if (fileKind(config) !== 'file') return false;
  try {
    const value = readJsonFile(config);
    return typeof value === 'object' && value !== null && ('recorded' in value || 'diffusion' in value);
  } catch {
    return false;
  }
}

function hasOwnCheckpoint({ checkpoints }: RunFolder): boolean {
  if (fileKind(checkpoints) !== 'folder') return false;
  return listFolder(checkpoints).some(
    ({ name }) => stepOfName(name) !== undefined && fileKind(join(checkpoints, name, manifestName)) === 'file',
  );
}
