/**
 * What is wrong with data: a file that is missing, damaged or of another kind, a set that is empty or contradicts
 * itself. The message names the file, the fault and what would be right. Every reader of this package throws this and
 * nothing else on whatever bytes it is given.
 */
export class DataError extends Error {
  override readonly name = 'DataError';
}

/** The message of anything thrown, without blanks and a full stop at its end. */
export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim().replace(/\.$/, '');
}
