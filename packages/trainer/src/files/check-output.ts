/** Checks before the work that its result can be written. */
import { accessSync, constants } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { fileKind } from '@dm/files';
import { UserError } from '../errors.js';
import { writeError } from './atomic-write.js';

/**
 * Checks that the file of an option can be written; it may exist. `option` starts error messages, as in `--out`.
 *
 * @throws {UserError} if it does not end in `extension`, is a folder, or its folder is missing or not writable
 */
export function checkFileOutput(option: string, path: string, extension?: string): void {
  if (extension !== undefined && extname(path).toLowerCase() !== extension) {
    throw new UserError(`${option} must name a ${extension} file, not ${path}.`);
  }
  if (fileKind(path) === 'folder') {
    throw new UserError(`${option} ${path} is a folder. Append the name of the file to write.`, {
      code: 'FILE_EXISTS',
    });
  }
  checkParentFolder(option, path);
}

/**
 * @throws {UserError} if the folder that `path` is in is missing or not writable
 */
export function checkParentFolder(option: string, path: string): void {
  const parent = dirname(resolve(path));
  if (fileKind(parent) !== 'folder') {
    throw new UserError(
      `${path}: folder ${parent} does not exist. Create it, or choose another place with ${option}.`,
      { code: 'FILE_NOT_FOUND' },
    );
  }
  try {
    accessSync(parent, constants.W_OK);
  } catch (error) {
    throw writeError(path, error);
  }
}
