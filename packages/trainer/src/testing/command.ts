/** Runs the built `dm` command. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { DmError } from '@dm/ops';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

export interface Finished {
  /** Exit code, or null after a signal. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  /** Without the lines of `phases`. */
  readonly stderr: string;
  /** The lines of standard error that show phases of the work, which depend on how long they take. */
  readonly phases: string;
}

export interface Running {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves once standard output contains `text`; rejects if the command ends first. */
  said(text: string): Promise<void>;
}

/** Starts `dm` with these arguments in the folder `cwd`; `options` may set its environment or user. */
export function start(args: readonly string[], cwd: string, options: SpawnOptions = {}): Running {
  return startNode([cli, ...args], cwd, options);
}

/** Runs `dm` as if installed alone: data packages of this workspace are not found. */
export function dmElsewhere(args: readonly string[], cwd: string): Promise<Finished> {
  const script = `await import(${JSON.stringify(pathToFileURL(cli))})`;
  return startNode(['--input-type=module', '--eval', script, '--', ...args], cwd).finished;
}

function startNode(args: readonly string[], cwd: string, options: SpawnOptions = {}): Running {
  return startProgram(process.execPath, args, cwd, options);
}

/** `compiling training step ...`, later also with a count or the time so far; `compiling training step: 8 s`. */
const phaseLine = /^.* \.\.\.(?: {2}.*)?\n|^.*: (?:\d+ (?:h|min|s) ?)+\n/gm;

function startProgram(program: string, args: readonly string[], cwd: string, options: SpawnOptions = {}): Running {
  const child = spawn(program, args, { ...options, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const phases = [...stderr.matchAll(phaseLine)].join('');
      resolve({ code, signal, stdout, stderr: stderr.replaceAll(phaseLine, ''), phases });
    });
  });
  const said = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (stdout.includes(text)) resolve();
      };
      child.stdout.on('data', look);
      look();
      finished.then(() => reject(new Error(`dm ended before it said "${text}": ${stdout}${stderr}`)), reject);
    });
  return { process: child, finished, said };
}

/** Runs `dm` to completion. */
export function dm(args: readonly string[], cwd: string, options: SpawnOptions = {}): Promise<Finished> {
  return start(args, cwd, options).finished;
}

/**
 * The JSON objects that `dm <args> --json` prints.
 *
 * @throws {DmError} the error that it prints, if it ends with exit code 1 and, on standard error, a message without a stack
 */
export async function dmJson(args: readonly string[], cwd: string, options: SpawnOptions = {}): Promise<unknown[]> {
  return jsonOf(await dm([...args, '--json'], cwd, options));
}

/** The same of a command that has ended. */
export function jsonOf({ code, stdout, stderr }: Finished): unknown[] {
  const printed = stdout.split('\n').filter((line) => line !== '');
  const events = printed.map((line) => JSON.parse(line) as { event?: string; code?: string; message?: string });
  const { event, code: errorCode = '', message = '' } = events.at(-1) ?? {};
  const isReported = /^error: /m.test(stderr) && !/^\s+at /m.test(stderr);
  if (event === 'error' && code === 1 && isReported) throw new DmError(message, { code: errorCode });
  if (event === 'error' || code !== 0) throw new Error(`dm ended with exit code ${code}: ${stdout}${stderr}`);
  return events;
}

/** Runs `dm` with the Node options `node`, under a command such as `strace`. */
export function dmUnder(
  { node = [], command = [] }: { readonly node?: readonly string[]; readonly command?: readonly string[] },
  args: readonly string[],
  cwd: string,
  options: SpawnOptions = {},
): Promise<Finished> {
  const [program, ...rest] = [...command, process.execPath, ...node, cli, ...args];
  return startProgram(program!, rest, cwd, options).finished;
}

/** Runs `dm` with a file size limit of `kib` KiB (`ulimit -f`). */
export function dmWithFileLimit(kib: number, args: readonly string[], cwd: string): Promise<Finished> {
  return startProgram('bash', ['-c', `ulimit -f ${kib}; exec "$@"`, 'bash', process.execPath, cli, ...args], cwd)
    .finished;
}
