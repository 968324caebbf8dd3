/** Runs one contender on one case in a process of its own. */
import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { environment } from './contenders.mjs';

/**
 * @typedef {object} Timing What a contender prints.
 * @property {number[]} ms Milliseconds of each timed call.
 * @property {number} firstMs Of the first call, compilation included.
 * @property {number} check Loss of the first step, or mean square of the images: the same for all contenders.
 * @property {number} parameters
 * @property {number} peakMb Largest resident size of the process, in MiB.
 * @property {number} [cpuSeconds] Processor time of the process; left out where it starts others that work for it.
 * @property {Record<string, unknown>} versions
 * @property {number} [compileMs]
 * @property {number[]} [javascript] Part of each timed call outside the runtime.
 */

/** @typedef {Timing & { othersBusy?: number }} Timed `othersBusy`: cores that other processes kept busy meanwhile, on average. */

/** Exit code of a contender that is not installed; the reason is on its standard error. */
const notInstalled = 3;

/**
 * Begins to count what the processors do. Each call of what it returns takes a reading, which tells the cores that are
 * left after one's own seconds.
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
 * The timing, or why there is none. One that fails is told of on standard error too, and makes this process end with 1.
 *
 * @param {import('./contenders.mjs').Contender} contender
 * @param {import('./cases.mjs').Case} benchCase
 * @param {{ threads: number, scratch: string } & Record<string, unknown>} settings `scratch` is a folder for what
 * compilers keep.
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
      detached: true, // a group of its own, so that a compiler that it started ends with it
    });
    let [late, finished] = [false, false];
    const timer = setTimeout(() => {
      late = true;
      end();
    }, 1000 * contender.seconds);
    const end = () => void process.kill(-(child.pid ?? 0), 'SIGKILL');
    const interrupted = () => {
      end();
      process.exit(130);
    };
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
    let [output, errors] = ['', ''];
    let others = reading();
    child.stdout.on('data', (data) => {
      output += data;
      others = reading(); // what the process does to end is in no figure of its own
    });
    child.stderr.on('data', (data) => (errors += data));
    child.on('error', (error) => finish(() => resolve(error.message)));
    child.on('close', (code) =>
      finish(() => {
        if (late) return resolve(`not done after ${contender.seconds} s`);
        if (code === notInstalled) return resolve(lastLine(errors));
        if (code !== 0) {
          console.error(`${contender.name} failed on ${benchCase.name}:\n${errors}`);
          process.exitCode = 1;
          return resolve(`failed: ${lastLine(errors)}`);
        }
        const timing = JSON.parse(lastLine(output));
        return resolve({ ...timing, ...(timing.cpuSeconds && { othersBusy: others(timing.cpuSeconds) }) });
      }),
    );
    child.stdin.on('error', () => {}); // a program that is not there reads nothing; 'error' above says why
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
