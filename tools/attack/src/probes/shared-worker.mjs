// A process that runs the built `dm` again and again, since loading its libraries takes most of the time of a short
// command. Each run evaluates the command's own code again, in another current folder, with its output gathered.
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/**
 * @typedef {object} Task
 * @property {readonly string[]} args
 * @property {string} cwd
 * @property {Readonly<Record<string, string>>} env
 *
 * @typedef {{ code: number, stdout: Uint8Array, stderr: Uint8Array, isSpent: boolean }} Outcome
 */

const [cli = ''] = process.argv.slice(2);
/** A process that holds more than this many bytes after a run is replaced. */
const maxHeldBytes = 450 * 2 ** 20;

const ownListeners = new Map(process.eventNames().map((name) => [name, process.listeners(/** @type {any} */ (name))]));
const exit = process.exit.bind(process);

process.on('disconnect', () => exit(0));
process.on('message', (/** @type {Task} */ task) => void perform(task));
forgetPeakMemory();
process.send?.('ready');

/** @param {Task} task */
async function perform({ args, cwd, env }) {
  process.chdir(cwd);
  Object.assign(process.env, env);
  process.argv = [process.execPath, cli, ...args];
  process.exitCode = undefined;
  const [stdout, stderr] = [gather(process.stdout), gather(process.stderr)];
  /** @param {number} code @returns {Outcome} */
  const outcome = (code) => {
    endListeners(code);
    const isSpent = process.memoryUsage().rss > maxHeldBytes;
    return { code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr), isSpent };
  };
  process.exit = (code) => {
    process.send?.({ ...outcome(Number(code ?? exitCode())), isSpent: true });
    return exit(0);
  };
  await import(`${new URL('main.js', pathToFileURL(cli)).href}?run=${randomUUID()}`);
  process.exit = exit;
  const done = outcome(exitCode());
  globalThis.gc?.();
  forgetPeakMemory();
  process.send?.(done);
}

/** The exit code that the command has set. */
const exitCode = () => Number(/** @type {unknown} */ (process.exitCode) ?? 0);

/** @param {NodeJS.WriteStream} stream @returns {Buffer[]} what is written to it from now on */
function gather(stream) {
  /** @type {Buffer[]} */
  const chunks = [];
  stream.write = (/** @type {string | Uint8Array} */ chunk, /** @type {any[]} */ ...more) => {
    chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk));
    more.find((value) => typeof value === 'function')?.();
    return true;
  };
  return chunks;
}

/** Calls what the command left for the end of its process, and removes its other listeners. @param {number} code */
function endListeners(code) {
  for (const name of process.eventNames()) {
    if (name === 'message' || name === 'disconnect') continue;
    const own = ownListeners.get(name) ?? [];
    for (const listener of process.listeners(/** @type {any} */ (name))) {
      if (own.includes(listener)) continue;
      if (name === 'exit') listener(code);
      process.off(name, /** @type {any} */ (listener));
    }
  }
}

/** On Linux, the peak then counts from here on. */
function forgetPeakMemory() {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Elsewhere the peak is not read.
  }
}
