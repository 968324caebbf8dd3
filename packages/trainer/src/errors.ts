/** Errors of the trainer, whose fault an error is, and errors as plain data. */
import { DmError, type DmErrorOptions } from '@dm/ops';

/**
 * - `OPTION_INVALID`: an option or an argument is not possible, or does not fit the others (the default).
 * - `OPTION_UNKNOWN`: a name, such as that of an extractor or a metric, that does not exist.
 * - `CONFIG_INVALID`: a configuration that cannot be read, a field with an impossible value, or fields that do not fit
 *   one another.
 * - `CONFIG_UNKNOWN_FIELD`: a field that no configuration has.
 * - `OUT_OF_MEMORY`: the model needs more memory than this machine has.
 * - `ENGINE_UNSUITABLE`: the engine cannot do this, such as profile a step or choose a device.
 * - `DATA_MISMATCH`: the model takes other images or has other classes than the data.
 * - `CLASS_UNKNOWN`: the model has no such class.
 * - `SETS_MISMATCH`: models or samples that cannot be compared: of other shapes, predictions, or architectures.
 * - `RUN_EXISTS`, `RUN_NOT_FOUND`, `RUN_LOCKED`: the folder already holds a run, holds none, or is in use.
 * - `RESUME_MISMATCH`: the run cannot be resumed with this configuration or these data.
 * - `CHECKPOINT_NOT_FOUND`, `CHECKPOINT_INVALID`: there is no (valid) checkpoint; it is damaged or lacks something.
 * - `CHECKPOINT_NEWER`: a newer version wrote the checkpoint.
 * - `FILE_EXISTS`, `FILE_NOT_FOUND`, `FILE_INVALID`: a file that must not be replaced, is missing, or cannot be read.
 * - `DISK_FULL`, `WRITE_FAILED`: there is no space; the disk refuses for another reason.
 * - `PIPELINE_UNSUPPORTED`: a diffusers pipeline that has no counterpart here, or the other way round.
 * - `LOSS_NOT_FINITE`: training has diverged.
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
  | 'LOSS_NOT_FINITE';

/** What the person at the keyboard has to change; the message says how. */
export class UserError extends DmError<UserErrorCode> {
  override readonly name = 'UserError';
  /** The lines of the message, one for each problem. A line break within one comes from a value that it quotes. */
  readonly lines: readonly string[];

  constructor(message: string | readonly string[], options: DmErrorOptions<UserErrorCode> = {}) {
    const lines = typeof message === 'string' ? [message] : message;
    super(lines.join('\n'), { code: 'OPTION_INVALID', ...options });
    this.lines = lines;
  }
}

/** At most so many problems are described; their number is stated. */
const maxProblems = 20;

/** The lines of a `UserError` about `problems`, each described by `describe`. */
export function problemLines<T>(problems: readonly T[], describe: (problem: T) => string): string[] {
  const lines = problems.slice(0, maxProblems).map(describe);
  return problems.length > maxProblems ? [...lines, `... and ${problems.length - maxProblems} more`] : lines;
}

/**
 * Whether an error is a mistake in this program, which a person can only report. All others (a `DmError`, a value out
 * of range, what the operating system refuses) are about what the program was given.
 */
export function isFault(error: unknown): boolean {
  return error instanceof TypeError || error instanceof ReferenceError;
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The message of anything thrown as the lines that it was made of. */
export function linesOf(error: unknown): readonly string[] {
  return error instanceof UserError ? error.lines : [messageOf(error)];
}

/** The code of a `DmError` or of an error of the operating system (`ENOSPC`). */
export function codeOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** An error as plain data, which can be sent to another thread. */
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

/** The error that `serializeError` was given, of the same class where that is the trainer's or JavaScript's own. */
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
  // An error of the operating system has the name Error, one of another package its own.
  return name === 'Error' ? Object.assign(new Error(message), { code }) : new DmError(message, { code });
}
