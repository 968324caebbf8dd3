/** A matcher for errors by class, code, and values in the message, so that tests do not depend on its wording. */
import { expect } from 'vitest';

/** The expected error. Requires `type` or `code`, so that an unrelated error cannot pass. */
export type ThrowsExpectation = { readonly contains?: string | readonly string[] } & (
  { readonly code: string; readonly type?: ErrorClass } | { readonly code?: string; readonly type: ErrorClass }
);

// oxlint-disable-next-line no-explicit-any -- any constructor
type ErrorClass = abstract new (...args: any[]) => Error;

declare module 'vitest' {
  // oxlint-disable-next-line no-explicit-any -- must be identical to vitest's declaration
  interface Matchers<T = any> {
    /**
     * Passes if the function throws (or, after `.rejects`, the promise rejects with) an instance of `type` with this
     * `code`, whose message contains each string of `contains`: names of files and fields, values, or a few words, but
     * not sentences.
     */
    toThrowWith(expected: ThrowsExpectation): void;
  }
}

type Outcome = { readonly error: unknown } | { readonly returned: unknown };

function outcomeOf(received: unknown): Outcome {
  if (typeof received !== 'function') return { error: received };
  try {
    return { returned: (received as () => unknown)() };
  } catch (error) {
    return { error };
  }
}

/** Describes the mismatch of an error; undefined if it matches. */
function mismatchOf(error: unknown, { type, code, contains = [] }: ThrowsExpectation): string | undefined {
  if (!(error instanceof Error)) return `threw ${String(error)}, which is not an Error`;
  const found = `got ${error.name}: ${error.message}`;
  if (type !== undefined && !(error instanceof type)) return `expected an instance of ${type.name}, ${found}`;
  const actual = 'code' in error ? error.code : undefined;
  if (code !== undefined && actual !== code) return `expected the code ${code}, not ${String(actual)}; ${found}`;
  const missing = [contains].flat().filter((text) => !error.message.includes(text));
  return missing.length === 0 ? undefined : `the message lacks ${JSON.stringify(missing)}; ${found}`;
}

expect.extend({
  toThrowWith(received: unknown, expected: ThrowsExpectation) {
    if (typeof received !== 'function' && this.promise !== 'rejects') {
      return { pass: false, message: () => 'takes a function, or a promise after `.rejects`' };
    }
    const outcome = outcomeOf(received);
    const mismatch =
      'error' in outcome
        ? mismatchOf(outcome.error, expected)
        : `returned ${String(outcome.returned)} instead of throwing`;
    return { pass: mismatch === undefined, message: () => mismatch ?? 'threw this error' };
  },
});
