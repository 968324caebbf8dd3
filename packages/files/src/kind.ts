/** The kind of a path: file, folder, link, ... */
import { lstatSync, statSync, type BigIntStats, type Dirent, type Stats } from 'node:fs';
import { errnoOf, FileError, readError } from './errors.js';

export type FileKind = 'file' | 'folder' | 'link' | 'FIFO' | 'socket' | 'device';

export interface LinkOptions {
  /** Whether to follow a symbolic link at the end of the path. Default: true. */
  readonly followLinks?: boolean;
}

/** The kind of a result of `stat` or `readdir`. */
export function kindOfEntry(entry: Stats | BigIntStats | Dirent): FileKind {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'folder';
  if (entry.isSymbolicLink()) return 'link';
  if (entry.isFIFO()) return 'FIFO';
  return entry.isSocket() ? 'socket' : 'device';
}

/**
 * The kind of `path`; undefined if it does not exist or is a broken or cyclic link. Does not open the file.
 *
 * @throws {FileError} if it cannot be determined, such as in a folder without read permission
 */
export function fileKind(path: string, { followLinks = true }: LinkOptions = {}): FileKind | undefined {
  try {
    return kindOfEntry(followLinks ? statSync(path) : lstatSync(path));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) return undefined;
    throw readError(path, error);
  }
}

/** The kinds with articles, for messages. */
export const kindNames: Readonly<Record<FileKind, string>> = {
  file: 'a file',
  folder: 'a folder',
  link: 'a symbolic link',
  FIFO: 'a FIFO (named pipe)',
  socket: 'a socket',
  device: 'a device',
};

/** @throws {FileError} if `kind` is not a regular file */
export function requireFile(path: string, kind: FileKind): void {
  if (kind === 'file') return;
  throw new FileError(path, `is ${kindNames[kind]}; a regular file is needed.`, { code: 'FILE_KIND' });
}
