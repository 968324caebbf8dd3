/** The trainer's errors, and the serialization of errors. */
import { DmError, type DmErrorOptions } from '@dm/ops';

/**
 * - `OPTION_INVALID`: an option or argument is invalid, or contradicts others (the default).
 * - `OPTION_UNKNOWN`: a name, such as an extractor or a metric, does not exist.
 * - `CONFIG_INVALID`: the configuration cannot be read, a field has an invalid value, or fields contradict each other.
 * - `CONFIG_UNKNOWN_FIELD`: a field does not exist.
 * - `OUT_OF_MEMORY`: the model needs more memory than this machine has.
 * - `ENGINE_UNSUITABLE`: the engine does not support the operation, such as profiling a step or selecting a device.
 * - `DATA_MISMATCH`: image shape or classes of the model and the data differ.
 * - `CLASS_UNKNOWN`: the model does not have this class.
 * - `SETS_MISMATCH`: models or samples cannot be compared: their shapes, predictions, or architectures differ.
 * - `RUN_EXISTS`, `RUN_NOT_FOUND`, `RUN_LOCKED`: the folder already contains a run, contains none, or is in use.
 * - `RUN_CLOSED`: the training in a browser was aborted, or its worker has failed.
 * - `RESUME_MISMATCH`: the run cannot be resumed with this configuration or this data.
 * - `CHECKPOINT_NOT_FOUND`, `CHECKPOINT_INVALID`: there is no (valid) checkpoint; it is damaged or incomplete.
 * - `CHECKPOINT_NEWER`: the checkpoint was written by a newer version.
 * - `FILE_EXISTS`, `FILE_NOT_FOUND`, `FILE_INVALID`: a file must not be replaced, is missing, or cannot be read.
 * - `DISK_FULL`, `WRITE_FAILED`: the disk is full; writing failed for another reason.
 * - `PIPELINE_UNSUPPORTED`: a model or scheduler cannot be converted from or to a diffusers pipeline.
 * - `LOSS_NOT_FINITE`: training has diverged.
 * - `RANKS_DIFFER`: the processes that train together have different data, versions, or weights.
 */
export type UserErrorCode =
  | 'OPTION_INVALID'
  | 'OPTION_UNKNOWN'
  | 'CONFIG_INVALID'
  | 'CONFIG_UNKNOWN_FIELD'
  | 'OUT_OF_MEMORY'
  | 'ENGINE_UNSUITABLE'
  | 'DATA_MISMATCH'
  | 'CLASS_UNKNOWN'
  | 'SETS_MISMATCH'
  | 'RUN_EXISTS'
  | 'RUN_NOT_FOUND'
  | 'RUN_LOCKED'
  | 'RUN_CLOSED'
  | 'RESUME_MISMATCH'
  | 'CHECKPOINT_NOT_FOUND'
  | 'CHECKPOINT_INVALID'
  | 'CHECKPOINT_NEWER'
  | 'FILE_EXISTS'
  | 'FILE_NOT_FOUND'
  | 'FILE_INVALID'
  | 'DISK_FULL'
  | 'WRITE_FAILED'
  | 'PIPELINE_UNSUPPORTED'
  | 'LOSS_NOT_FINITE'
  | 'RANKS_DIFFER';

/** An error that the user can fix; the message says how. */
export class UserError extends DmError<UserErrorCode> {
  override readonly name = 'UserError';
  /** The lines of the message, one per problem. A line break inside a line comes from a value that it quotes. */
  readonly lines: readonly string[];

  constructor(message: string | readonly string[], options: DmErrorOptions<UserErrorCode> = {}) {
    const lines = typeof message === 'string' ? [message] : message;
    super(lines.join('\n'), { code: 'OPTION_INVALID', ...options });
    this.lines = lines;
  }
}

/** Most problems that are listed; the rest are counted. */
const maxProblems = 20;

/** The message lines of a `UserError` about `problems`, one per problem from `describe`. */
export function problemLines<T>(problems: readonly T[], describe: (problem: T) => string): string[] {
  const lines = problems.slice(0, maxProblems).map(describe);
  return problems.length > maxProblems ? [...lines, `... and ${problems.length - maxProblems} more`] : lines;
}

/**
 * Whether an error is a bug in this program, which users can only report. All other errors (a `DmError`, a value out of
 * range, a failed system call) are caused by the input or the environment.
 */
export function isFault(error: unknown): boolean {
  return error instanceof TypeError || error instanceof ReferenceError;
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The message of any thrown value as separate lines; see `UserError.lines`. */
export function linesOf(error: unknown): readonly string[] {
  return error instanceof UserError ? error.lines : [messageOf(error)];
}

/** The code of a `DmError` or of a system error (such as `ENOSPC`). */
export function codeOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** An error as plain data, for sending to another thread. */
export interface SerializedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  readonly code?: string;
}

export function serializeError(error: unknown): SerializedError {
  const { name, message, stack = message } = error instanceof Error ? error : new Error(String(error));
  const code = codeOf(error);
  return { name, message, stack, ...(code !== undefined && { code }) };
}

/** Recreates a serialized error; the class is preserved for the trainer's and JavaScript's own errors. */
export function deserializeError(serialized: SerializedError): Error {
  const error = emptyError(serialized);
  error.stack = serialized.stack;
  return error;
}

function emptyError({ name, message, code }: SerializedError): Error {
  if (name === 'UserError') return new UserError(message, { code: code as UserErrorCode });
  if (name === 'TypeError') return new TypeError(message);
  if (name === 'ReferenceError') return new ReferenceError(message);
  if (name === 'RangeError') return new RangeError(message);
  if (code === undefined) return new Error(message);
  // System errors have the name Error; errors of other packages have their own.
  return name === 'Error' ? Object.assign(new Error(message), { code }) : new DmError(message, { code });
}
