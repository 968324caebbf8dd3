/** Files of one JSON value per line, which a run appends to. */
import { fileKind, readJsonLines as streamJsonLines, type JsonLine } from '@dm/files';

/**
 * All values with their lines; none if there is no file. A last line without its newline is what a kill leaves, and is
 * dropped.
 *
 * @throws {FileError} as `readJsonLines` of @dm/files does
 */
export function readJsonLines(path: string): JsonLine[] {
  if (fileKind(path, { followLinks: false }) === undefined) return [];
  return [...streamJsonLines(path, { followLinks: false })];
}
