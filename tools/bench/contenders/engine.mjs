/** Opens the engine of a contender that runs in Node: this project's, or TF.js's. */
import { openOnnxEngine } from '@dm/jit';
import { openEagerEngine } from '@dm/ops';

/** Exit code of a contender that is not installed; it writes the reason to standard error. */
const notInstalled = 3;

/**
 * Opens an engine, with counters of the time spent compiling and in sessions. Exits if the engine is not installed.
 *
 * @param {'onnx' | 'tfjs-node' | 'tfjs-wasm' | 'tfjs-cpu'} name
 * @param {number} threads
 */
export async function openEngine(name, threads) {
  const counters = { compileMs: 0, sessionMs: 0 };
  try {
    const engine =
      name !== 'onnx'
        ? await openEagerEngine(name)
        : await openOnnxEngine({
            threads,
            observer: {
              compiled: ({ ms }) => void (counters.compileMs += Object.values(ms).reduce((a, b) => a + b)),
              ran: ({ sessionMs }) => void (counters.sessionMs += sessionMs),
            },
          });
    return { engine, counters };
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    if (!/is not installed/.test(message)) throw error;
    console.error(message);
    return process.exit(notInstalled);
  }
}
