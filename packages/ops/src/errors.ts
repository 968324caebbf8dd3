/** Options of a `DmError`: a more specific code than the default of its class, and the cause. */
export interface DmErrorOptions<Code extends string = string> {
  readonly code?: Code;
  readonly cause?: unknown;
}

/**
 * Base class of all errors that `@dm` packages define. Programs should compare `code`: messages may change between
 * versions. Each subclass documents its codes as a union of string literals. Invalid arguments throw a plain
 * `RangeError` or `TypeError` instead.
 */
export class DmError<Code extends string = string> extends Error {
  override readonly name: string = 'DmError';
  readonly code: Code;

  constructor(message: string, { code, ...options }: DmErrorOptions<Code> & { readonly code: Code }) {
    super(message, options);
    this.code = code;
  }
}
