/** Opens the engine of a contender that runs in Node: this project's, or TF.js's. */
import { openOnnxEngine } from '@dm/jit';
import { openEagerEngine } from '@dm/ops';

/** Exit code of a contender that is not installed; it writes the reason to standard error. */
const notInstalled = 3;

/**
 * Opens an engine, with counters of the time spent compiling and in sessions, and of the bytes copied to and from its
 * device. Exits if the engine is not installed.
 *
 * @param {'onnx' | 'tfjs-node' | 'tfjs-wasm' | 'tfjs-cpu'} name
 * @param {number} threads
 * @param {Pick<import('@dm/jit').NodeEngineOptions, 'device' | 'convolutionLayout' | 'profilePrefix' | 'graphCapture' | 'tf32'> & Pick<import('@dm/jit').EngineObserver, 'ran'>} [options]
 *   For `onnx`.
 */
export async function openEngine(name, threads, { ran, ...options } = {}) {
  const counters = { compileMs: 0, sessionMs: 0, copiedBytes: 0 };
  try {
    const engine =
      name !== 'onnx'
        ? await openEagerEngine(name)
        : await openOnnxEngine({
            ...options,
            threads,
            observer: {
              compiled: ({ ms }) => void (counters.compileMs += Object.values(ms).reduce((a, b) => a + b)),
              ran(run) {
                counters.sessionMs += run.sessionMs;
                counters.copiedBytes += run.copiedBytes;
                ran?.(run);
              },
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
