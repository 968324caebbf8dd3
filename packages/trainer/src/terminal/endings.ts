/**
 * How a `dm` process ends, in one place: by signals, by readers that leave, by errors that nobody caught. The command loads
 * it before anything else, so it imports Node alone.
 *
 *   SIGINT, SIGTERM, SIGQUIT, SIGHUP   asked for by `stopOnEndings`: a training saves and ends with 128 + the signal's number
 *   SIGHUP under nohup                 ignored
 *   SIGUSR1                            ignored: Node would open its inspector
 *   a reader that left (EPIPE)         ignored: the command goes on to its usual end
 *   an output that cannot be written   remembered (`outputError`), since the command may have other products
 */
import { constants as fsConstants, readFileSync } from 'node:fs';
import { close, url } from 'node:inspector';
import { constants } from 'node:os';
import { basename } from 'node:path';

let firstOutputError: NodeJS.ErrnoException | undefined;

/** Ignores the signals that would harm a process unasked. Once, as early as can be. */
export function guardSignals(): void {
  const ignore = () => {};
  process.on('SIGUSR1', ignore);
  if (isHangupIgnored()) process.on('SIGHUP', ignore);
  // A SIGUSR1 from before this line.
  closeInspector();
  setImmediate(closeInspector);
}

/** Closes the inspector unless it was asked for. */
function closeInspector(): void {
  const options = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''];
  if (url() !== undefined && !options.some((option) => option.includes('--inspect'))) close();
}

/** Keeps outputs that cannot be written from ending the process. Once. */
export function watchOutputs(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') firstOutputError ??= error;
  });
  // Nothing is left to say it with.
  process.stderr.on('error', () => {});
}

/** Why standard output could not be written, if it could not; a reader that left is no error. */
export function outputError(): NodeJS.ErrnoException | undefined {
  return firstOutputError;
}

/**
 * Whether this process was started so that a terminal that closes does not end it (`nohup dm train`). Node resets signals
 * that are ignored before any JavaScript runs, so /proc/self/status does not tell any more. What does: the shell's `_`,
 * which names the program it started; a parent that ignores SIGHUP, such as a script under nohup; a standard input that
 * can only be written to, which nohup puts in the place of a terminal.
 */
function isHangupIgnored(): boolean {
  if (basename(process.env['_'] ?? '') === 'nohup') return true;
  if (process.platform !== 'linux') return false;
  const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readProc(`/proc/${process.ppid}/status`))?.[1] ?? '0';
  if ((BigInt(`0x${ignored}`) & (1n << BigInt(constants.signals.SIGHUP - 1))) !== 0n) return true;
  const flags = /^flags:\s*([0-7]+)$/m.exec(readProc('/proc/self/fdinfo/0'))?.[1] ?? '0';
  return (parseInt(flags, 8) & accessMode) === fsConstants.O_WRONLY;
}

/** Of fcntl.h; Node's constants lack it. */
const accessMode = 3;

function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGBREAK'] as const;

/**
 * Signals so soon after the first are the same request: `npx` and other starters pass on what the terminal has sent to all,
 * and a terminal that closes is reported by the shell and by the system.
 */
const sameRequestMs = 500;

export interface StopRequest {
  /** Aborted by the first signal, and by an error that nobody caught. */
  readonly signal: AbortSignal;
  /** The signal that asked, if one did. */
  readonly by: () => NodeJS.Signals | undefined;
  /** The first error that nobody caught, if there is one. */
  readonly uncaught: () => { readonly error: unknown } | undefined;
  /** From here on there is something to save: before, the first signal or error ends the process. */
  readonly begin: () => void;
  /** Signals and errors end the process again as they do by default. */
  readonly dispose: () => void;
}

/** How a shell reports a process that a signal has ended: 128 + its number. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

export interface StopOptions {
  /** Tells the person that a signal was understood, or that an error was. */
  readonly warn: (text: string) => void;
  /** Prints an error that ends the process. */
  readonly fail: (error: unknown) => void;
}

/**
 * From here to `dispose`, the first signal or uncaught error asks the work to save and stop; the same signal again, later
 * than a moment, ends the process at once. Another error than the first is of no interest: it may follow from it.
 */
export function stopOnEndings({ warn, fail }: StopOptions): StopRequest {
  const stop = new AbortController();
  let begun = false;
  let by: NodeJS.Signals | undefined;
  let askedAt = 0;
  let uncaught: { readonly error: unknown } | undefined;

  const onSignal = (signal: NodeJS.Signals) => {
    if (!begun) process.exit(exitCodeOf(signal));
    if (by === undefined) {
      [by, askedAt] = [signal, performance.now()];
      warn(`${signal}: saving a checkpoint after this step; once more to stop at once.`);
      stop.abort();
    } else if (signal !== 'SIGHUP' && performance.now() - askedAt > sameRequestMs) process.exit(exitCodeOf(signal));
  };
  const failNow = (error: unknown) => {
    fail(error);
    process.exit(1);
  };
  const onUncaught = (error: unknown) => {
    if (!begun) failNow(error);
    uncaught ??= { error };
    stop.abort();
  };
  // Nothing will happen any more, and the work is not done: it waited for what the error has ended.
  const onIdle = () => {
    if (uncaught !== undefined) failNow(uncaught.error);
  };
  // Where SIGHUP is ignored (`guardSignals`) it stays so.
  const signals = stopSignals.filter((name) => name !== 'SIGHUP' || process.listenerCount(name) === 0);
  for (const name of signals) process.on(name, onSignal);
  process.on('uncaughtException', onUncaught); // rejections that nobody handles come here too
  process.on('beforeExit', onIdle);
  return {
    signal: stop.signal,
    by: () => by,
    uncaught: () => uncaught,
    begin: () => (begun = true),
    dispose: () => {
      for (const name of signals) process.off(name, onSignal);
      process.off('uncaughtException', onUncaught);
      process.off('beforeExit', onIdle);
    },
  };
}
