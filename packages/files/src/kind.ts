/** What lies at a path. */
import { lstatSync, statSync, type BigIntStats, type Dirent, type Stats } from 'node:fs';
import { errnoOf, FileError, readError } from './errors.js';

export type FileKind = 'file' | 'folder' | 'link' | 'FIFO' | 'socket' | 'device';

export interface LinkOptions {
  /** Whether a symbolic link at the end of the path is followed. Default: true. */
  readonly followLinks?: boolean;
}

/** The kind of what `stat` or `readdir` describes. */
export function kindOfEntry(entry: Stats | BigIntStats | Dirent): FileKind {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'folder';
  if (entry.isSymbolicLink()) return 'link';
  if (entry.isFIFO()) return 'FIFO';
  return entry.isSocket() ? 'socket' : 'device';
}

/**
 * What lies at `path`, or undefined if there is nothing, or a link that leads nowhere or in a circle. Opens nothing.
 *
 * @throws {FileError} if the operating system does not say, such as in a folder that may not be read
 */
export function fileKind(path: string, { followLinks = true }: LinkOptions = {}): FileKind | undefined {
  try {
    return kindOfEntry(followLinks ? statSync(path) : lstatSync(path));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) return undefined;
    throw readError(path, error);
  }
}

/** The kinds with their articles, for messages. */
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
