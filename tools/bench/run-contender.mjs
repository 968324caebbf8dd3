/** Runs one contender on one case in a separate process. */
import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { environment } from './contenders.mjs';

/**
 * @typedef {object} Timing The output of a contender.
 * @property {number[]} ms Milliseconds of each timed call.
 * @property {number} firstMs Milliseconds of the first call, including compilation.
 * @property {number} check Loss of the first step, or mean square of the samples; equal for all contenders.
 * @property {number} parameters
 * @property {number} peakMb Largest resident size of the process, in MiB.
 * @property {number} [cpuSeconds] CPU time of the process; undefined if it starts helper processes.
 * @property {Record<string, unknown>} versions
 * @property {number} [compileMs]
 * @property {number} [copiedBytes] Bytes copied to and from the device in the last call.
 * @property {number[]} [javascript] Fraction of each timed call spent outside the runtime, in [0, 1].
 */

/**
 * @typedef {Timing & { othersBusy?: number }} Timed `othersBusy`: average number of cores used by other processes
 * during the run.
 */

/** Exit code of a contender that is not installed; it writes the reason to standard error. */
const notInstalled = 3;

/**
 * Starts to measure CPU usage. The returned function takes a reading: a function of a process's own CPU seconds that
 * returns the average number of cores used by all other processes.
 */
function busyTime() {
  const busy = () => cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) / 1e3;
  const [began, before] = [performance.now(), busy()];
  return () => {
    const [seconds, used] = [(performance.now() - began) / 1e3, busy() - before];
    /** @param {number} own */
    return (own) => Math.max(0, used - own) / seconds;
  };
}

/** @param {string} text */
const lastLine = (text) => text.trim().split('\n').at(-1) ?? '';

/**
 * The reason in what a failed program wrote: the line that names its error, in JavaScript or Python.
 *
 * @param {string} errors
 */
const reasonOf = (errors) => errors.match(/^[\w.]*(?:Error|Exception)\b.*$/gm)?.at(-1) ?? lastLine(errors);

/**
 * Returns the timing, or the reason why the contender was skipped. A failure is also reported on standard error and
 * sets this process's exit code to 1.
 *
 * @param {import('./contenders.mjs').Contender} contender
 * @param {import('./cases.mjs').Case} benchCase
 * @param {{ threads: number, scratch: string } & Record<string, unknown>} settings `scratch` is a folder for
 * compiler caches.
 * @returns {Promise<Timed | string>}
 */
export function runContender(contender, benchCase, { threads, scratch, ...settings }) {
  const unfit = contender.unfit?.(benchCase);
  if (unfit !== undefined) return Promise.resolve(unfit);
  const [command, ...args] = contender.command(benchCase.kind);
  const reading = busyTime();
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: import.meta.dirname,
      env: { ...environment(threads), TORCHINDUCTOR_CACHE_DIR: scratch },
      detached: true, // a new process group, so that compilers it started are killed with it
    });
    let [late, finished] = [false, false];
    const timer = setTimeout(() => {
      late = true;
      end();
    }, 1000 * contender.seconds);
    const end = () => {
      // A program that could not be started has no process id; 0 would mean this process group.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    const interrupted = () => {
      end();
      process.exit(130);
    };
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
    let [output, errors] = ['', ''];
    let others = reading();
    child.stdout.on('data', (data) => {
      output += data;
      others = reading(); // excludes the process's own exit, which its cpuSeconds does not include
    });
    child.stderr.on('data', (data) => (errors += data));
    child.on('error', (error) => finish(() => resolve(error.message)));
    child.on('close', (code, signal) =>
      finish(() => {
        if (late) return resolve(`timed out after ${contender.seconds} s`);
        if (code === notInstalled) return resolve(lastLine(errors));
        if (code !== 0) {
          console.error(`${contender.name} failed on ${benchCase.name}:\n${errors}`);
          process.exitCode = 1;
          return resolve(`failed: ${signal === null ? reasonOf(errors) : `ended by ${signal}`}`);
        }
        const timing = JSON.parse(lastLine(output));
        return resolve({ ...timing, ...(timing.cpuSeconds && { othersBusy: others(timing.cpuSeconds) }) });
      }),
    );
    child.stdin.on('error', () => {}); // if the program does not exist; 'error' above reports it
    child.stdin.end(JSON.stringify({ case: benchCase, threads, ...settings, ...contender.request }));

    /** @param {() => void} settle */
    function finish(settle) {
      if (finished) return; // 'close' follows 'error'
      finished = true;
      clearTimeout(timer);
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      settle();
    }
  });
}
