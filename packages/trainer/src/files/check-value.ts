/** Validation of values read from files. */
import { FileError } from '@dm/files';
import type { z } from 'zod';
import { firstProblem } from './first-problem.js';

/**
 * The value, validated by the schema. `source` (a path, or a path and a line) starts the message.
 *
 * @throws {FileError} `FILE_INVALID` if it is invalid; the message names the field and the problem
 */
export function checkValue<T>(schema: z.ZodType<T>, value: unknown, source: string): T {
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return data;
  throw new FileError(source, `is invalid: ${firstProblem(error)}.`, { code: 'FILE_INVALID' });
}
