/**
 * How a `dm` process ends: signals, closed pipes and uncaught errors. The command loads this module before anything else,
 * so it imports only Node modules.
 *
 *   SIGINT, SIGTERM, SIGQUIT, SIGHUP   with `stopOnEndings`, training saves and exits with 128 + the signal's number
 *   SIGUSR2                            the same: batch systems announce the end of a job with it
 *   SIGHUP under nohup                 ignored
 *   SIGUSR1                            ignored: Node would open its inspector
 *   closed pipe (EPIPE)                ignored: the command runs to completion
 *   other write errors on stdout       recorded (`outputError`), since the command may also write files
 */
import { constants as fsConstants, readFileSync } from 'node:fs';
import { close, url } from 'node:inspector';
import { constants } from 'node:os';
import { basename } from 'node:path';

let firstOutputError: NodeJS.ErrnoException | undefined;

/** Ignores SIGUSR1, and SIGHUP under nohup. Call once, as early as possible. */
export function guardSignals(): void {
  const ignore = () => {};
  process.on('SIGUSR1', ignore);
  if (isHangupIgnored()) process.on('SIGHUP', ignore);
  // In case SIGUSR1 arrived earlier.
  closeInspector();
  setImmediate(closeInspector);
}

/** Closes the inspector unless the user requested it. */
function closeInspector(): void {
  const options = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''];
  if (url() !== undefined && !options.some((option) => option.includes('--inspect'))) close();
}

/** Keeps write errors on standard output and standard error from ending the process. Call once. */
export function watchOutputs(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') firstOutputError ??= error;
  });
  // There is no other stream to report it on.
  process.stderr.on('error', () => {});
}

/** The error that kept standard output from being written, if any. A closed pipe is not an error. */
export function outputError(): NodeJS.ErrnoException | undefined {
  return firstOutputError;
}

/**
 * Whether this process was started to survive the closing of its terminal (`nohup dm train`). Node resets ignored signals
 * before any JavaScript runs, so /proc/self/status no longer shows it. Indications used instead: the shell's `_`, which
 * names the program it started; a parent that ignores SIGHUP, such as a script under nohup; and a write-only standard
 * input, which nohup substitutes for a terminal.
 */
function isHangupIgnored(): boolean {
  if (basename(process.env['_'] ?? '') === 'nohup') return true;
  if (process.platform !== 'linux') return false;
  const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readProc(`/proc/${process.ppid}/status`))?.[1] ?? '0';
  if ((BigInt(`0x${ignored}`) & (1n << BigInt(constants.signals.SIGHUP - 1))) !== 0n) return true;
  const flags = /^flags:\s*([0-7]+)$/m.exec(readProc('/proc/self/fdinfo/0'))?.[1] ?? '0';
  return (parseInt(flags, 8) & accessMode) === fsConstants.O_WRONLY;
}

/** O_ACCMODE of fcntl.h, which Node's constants lack. */
const accessMode = 3;

function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGBREAK', 'SIGUSR2'] as const;

/**
 * Signals this soon after the first are the same request: `npx` and other launchers forward signals that the terminal has
 * already sent to the whole process group, and both the shell and the system report a closed terminal.
 */
const sameRequestMs = 500;

export interface StopRequest {
  /** Aborted by the first signal or uncaught error. */
  readonly signal: AbortSignal;
  /** The signal that requested the stop, if any. */
  readonly by: () => NodeJS.Signals | undefined;
  /** The first uncaught error, if any. */
  readonly uncaught: () => { readonly error: unknown } | undefined;
  /** Call once there is state to save. Until then, the first signal or error ends the process. */
  readonly begin: () => void;
  /** Restores the default handling of signals and errors. */
  readonly dispose: () => void;
}

/** The exit code by which a shell reports a process that was ended by a signal: 128 + its number. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

export interface StopOptions {
  /** Reports a received signal or error. */
  readonly warn: (text: string) => void;
  /** Prints an error that ends the process. */
  readonly fail: (error: unknown) => void;
}

/**
 * Until `dispose`, the first signal or uncaught error requests a save and stop. The same signal again, after more than
 * `sameRequestMs`, ends the process immediately. Errors after the first are ignored, since they may be consequences of it.
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
      warn(`${signal}: saving a checkpoint after this step; send it again to stop immediately.`);
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
  // The event loop is empty although the work is not done: it was waiting for something that the error ended.
  const onIdle = () => {
    if (uncaught !== undefined) failNow(uncaught.error);
  };
  // SIGHUP stays ignored if `guardSignals` ignores it.
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
