/** JSON Lines files, which a run appends to. */
import { fileKind, readJsonLines as streamJsonLines, type JsonLine } from '@dm/files';

/**
 * All values with their line numbers; empty if there is no file. A last line without a newline, as a kill may leave it, is
 * dropped.
 *
 * @throws {FileError} in the cases of `readJsonLines` of @dm/files
 */
export function readJsonLines(path: string): JsonLine[] {
  if (fileKind(path, { followLinks: false }) === undefined) return [];
  return [...streamJsonLines(path, { followLinks: false })];
}
