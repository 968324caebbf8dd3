/** Runs one contender on one case in a process of its own. */
import { spawn } from 'node:child_process';
import { commandOf, environment } from './contenders.mjs';

/**
 * @typedef {object} Timing What a contender prints.
 * @property {number[]} ms Milliseconds of each timed call.
 * @property {number} firstMs Of the first call, compilation included.
 * @property {number} check Loss of the first step, or mean square of the images: the same for all contenders.
 * @property {number} parameters
 * @property {number} peakMb Largest resident size of the process, in MiB.
 * @property {Record<string, unknown>} versions
 * @property {number} [compileMs]
 * @property {number[]} [javascript] Part of each timed call outside the runtime.
 */

/** Exit code of a contender that is not installed; the reason is on its standard error. */
const notInstalled = 3;

/** @param {string} text */
const lastLine = (text) => text.trim().split('\n').at(-1) ?? '';

/**
 * The timing, or why there is none. One that fails is told of on standard error too, and makes this process end with 1.
 *
 * @param {import('./contenders.mjs').Contender} contender
 * @param {import('./cases.mjs').Case} benchCase
 * @param {{ threads: number, scratch: string } & Record<string, unknown>} settings `scratch` is a folder for what
 * compilers keep.
 * @returns {Promise<Timing | string>}
 */
export function runContender(contender, benchCase, { threads, scratch, ...settings }) {
  const unfit = contender.unfit?.(benchCase);
  if (unfit !== undefined) return Promise.resolve(unfit);
  const [command, ...args] = commandOf(contender, benchCase.kind);
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: import.meta.dirname,
      env: { ...environment(threads), TORCHINDUCTOR_CACHE_DIR: scratch },
      detached: true, // a group of its own, so that a compiler that it started ends with it
    });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      end();
    }, 1000 * contender.seconds);
    const end = () => void process.kill(-(child.pid ?? 0), 'SIGKILL');
    const interrupted = () => {
      end();
      process.exit(130);
    };
    process.once('SIGINT', interrupted);
    let [output, errors] = ['', ''];
    child.stdout.on('data', (data) => (output += data));
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
        return resolve(JSON.parse(lastLine(output)));
      }),
    );
    child.stdin.on('error', () => {}); // a program that is not there reads nothing; 'error' above says why
    child.stdin.end(JSON.stringify({ case: benchCase, threads, ...settings, ...contender.request }));

    /** @param {() => void} settle */
    function finish(settle) {
      clearTimeout(timer);
      process.off('SIGINT', interrupted);
      settle();
    }
  });
}
