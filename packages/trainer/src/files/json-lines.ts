/** Files of one JSON value per line, which a run appends to. */
import { fileKind, FileError, readJsonLines as streamJsonLines, type JsonLine } from '@dm/files';
import type { z } from 'zod';

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

/**
 * The value, if it fits the schema. `source` begins the message: a path, or a path and a line.
 *
 * @throws {FileError} `FILE_INVALID` naming the field and what is wrong with it
 */
export function checkValue<T>(schema: z.ZodType<T>, value: unknown, source: string): T {
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return data;
  const [issue] = error.issues;
  const field = issue!.path.join('.');
  throw new FileError(source, `is not as expected: ${field === '' ? '' : `${field}: `}${issue!.message}.`, {
    code: 'FILE_INVALID',
  });
}
