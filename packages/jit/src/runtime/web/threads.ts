/** Threads of onnxruntime-web, which starts them together with its first session. */
import { EngineError } from '../../errors.js';
import type { OnnxRuntimeModule } from '../javascript.js';

/** The number that each module has been started with. */
const started = new WeakMap<object, number>();

/** Properties of a page or worker; Node's types lack them. */
interface Page {
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: { readonly hardwareConcurrency?: number };
}

/**
 * Sets the number of threads of a module, `wanted` or a default for this page, and returns it. Later calls for the same
 * module return the same number.
 * @throws {EngineError} `THREADS_UNAVAILABLE` if the page is not cross-origin isolated, or the module already has another
 *   number of threads
 */
export function setThreads(ort: OnnxRuntimeModule, wanted?: number): number {
  const { crossOriginIsolated = false, navigator } = globalThis as Page;
  if (wanted !== undefined && wanted > 1 && !crossOriginIsolated) {
    throw new EngineError(
      'THREADS_UNAVAILABLE',
      `threads is ${wanted}, but this page can have only 1 thread, since it is not cross-origin isolated. Serve it with ` +
        'the headers "Cross-Origin-Opener-Policy: same-origin" and "Cross-Origin-Embedder-Policy: require-corp", or leave ' +
        'out threads.',
    );
  }
  const wasm = ort.env?.wasm;
  const before = started.get(wasm ?? ort);
  const threads = wanted ?? before ?? (crossOriginIsolated ? defaultThreads(navigator?.hardwareConcurrency) : 1);
  if (before !== undefined && before !== threads) {
    throw new EngineError(
      'THREADS_UNAVAILABLE',
      `threads is ${threads}, but an earlier engine has already started onnxruntime-web with ${before}. Use the same ` +
        'number, or open the engine in another worker.',
    );
  }
  started.set(wasm ?? ort, threads);
  if (wasm !== undefined) wasm.numThreads = threads;
  return threads;
}

/** Half of the logical processors, 2 to 8, since two of them usually share a core. */
function defaultThreads(processors = 1): number {
  return Math.min(processors, Math.max(2, Math.min(8, Math.ceil(processors / 2))));
}
