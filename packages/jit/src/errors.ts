/** A function that cannot be compiled, or a program used against its contract. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
}

// Frames of TF.js and of the packages that call it on the user's behalf say nothing about the user's mistake.
const ours =
  /node:internal|@tensorflow[\\/]|tfjs-core|[\\/]@dm[\\/](ops|jit)[\\/]|[\\/]packages[\\/](ops|jit)[\\/](dist|src)[\\/](?!.*\.test\.)/;

/** `file:line:column` of the innermost stack frame outside TF.js, `@dm/ops` and `@dm/jit`. */
export function userLine(): string | undefined {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  Error.stackTraceLimit = limit;
  const frame = frames.find((f) => !ours.test(f) && /:\d+:\d+/.test(f));
  return frame?.match(/\(?((?:file:\/\/)?[^()\s]+:\d+:\d+)\)?\s*$/)?.[1]?.replace(/^file:\/\//, '');
}

export const at = (where: string | undefined): string => (where === undefined ? '' : `\n    at ${where}`);
