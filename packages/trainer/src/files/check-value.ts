/** A value that was read from a file, checked against its schema. */
import { FileError } from '@dm/files';
import type { z } from 'zod';

/** The first problem that a schema found, as `field: what is wrong`. */
export function firstProblem({ issues }: z.core.$ZodError): string {
  const [issue] = issues;
  return [issue!.path.join('.'), issue!.message].filter(Boolean).join(': ');
}

/**
 * The value, if it fits the schema. `source` begins the message: a path, or a path and a line.
 *
 * @throws {FileError} `FILE_INVALID` naming the field and what is wrong with it
 */
export function checkValue<T>(schema: z.ZodType<T>, value: unknown, source: string): T {
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return data;
  throw new FileError(source, `is not as expected: ${firstProblem(error)}.`, { code: 'FILE_INVALID' });
}
