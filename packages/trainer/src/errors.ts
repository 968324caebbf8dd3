/**
 * An error that the person at the keyboard can act on: the command prints its message alone, without a stack. Anything
 * else that is thrown is a fault of the program and says so.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
