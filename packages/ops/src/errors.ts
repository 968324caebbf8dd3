/** Options of an error of this project: a code if the class's default is not specific enough, and the cause. */
export interface DmErrorOptions<Code extends string = string> {
  readonly code?: Code;
  readonly cause?: unknown;
}

/**
 * The base of all errors that `@dm` packages define. `code` identifies the failure: programs compare it, since messages
 * are for people and may change between versions. Each subclass documents its codes as a union of string literals.
 * A wrong argument from code is a plain `RangeError` or `TypeError`, not a `DmError`.
 */
export class DmError<Code extends string = string> extends Error {
  override readonly name: string = 'DmError';
  readonly code: Code;

  constructor(message: string, { code, ...options }: DmErrorOptions<Code> & { readonly code: Code }) {
    super(message, options);
    this.code = code;
  }
}
