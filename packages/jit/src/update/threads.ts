import type { Worker } from 'node:worker_threads';
import type { WasmMemory, WasmModule } from './wasm-api.js';

/** Threads that run one kernel on one memory. */
export interface UpdateThreads {
  /**
   * Runs the kernel on `bytes` of each vector, divided among the threads. Rejects if a thread ends during the call; the
   * vectors' contents are then undefined.
   */
  run(bytes: number, args: readonly number[]): Promise<void>;
  /** Ends the threads, which otherwise keep the memory alive. */
  dispose(): void;
}

/** Starts `count` threads. */
export type OpenUpdateThreads = (module: WasmModule, memory: WasmMemory, count: number) => Promise<UpdateThreads>;

/**
 * The code of a thread: it answers each call when it is done. A string, so that it needs no separate file in the
 * package.
 */
const program = `
const { parentPort, workerData: { module, memory } } = require('node:worker_threads');
const { update } = new WebAssembly.Instance(module, { state: { memory } }).exports;
parentPort.on('message', (args) => {
  update(...args);
  parentPort.postMessage('done');
});`;

/** Starts `count` threads. They do not keep the process alive while they wait. */
export const openUpdateThreads: OpenUpdateThreads = async (module, memory, count) => {
  const { Worker } = await import('node:worker_threads');
  const workers = Array.from({ length: count }, () => {
    const worker = new Worker(program, { eval: true, workerData: { module, memory } });
    worker.unref();
    worker.on('error', () => {}); // errors are reported by the call in progress, or by the next one
    return worker;
  });
  return {
    async run(bytes, args) {
      await Promise.all(parts(bytes, count).map(([begin, end], i) => call(workers[i]!, [begin, end, ...args])));
    },
    dispose: () => workers.forEach((worker) => void worker.terminate()),
  };
};

/** Splits `bytes` into up to `count` ranges [begin, end) of whole 16-byte lanes. */
function parts(bytes: number, count: number): [begin: number, end: number][] {
  const lanes = Math.ceil(bytes / 16);
  const bound = (i: number) => 16 * Math.floor((lanes * i) / count);
  return Array.from({ length: count }, (_, i): [number, number] => [bound(i), bound(i + 1)]).filter(
    ([begin, end]) => end > begin,
  );
}

function call(worker: Worker, args: readonly number[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let reason: unknown = new Error('a thread that updates the state has ended');
    const onError = (error: unknown) => (reason = error);
    const onExit = () => reject(reason);
    const over = () => {
      worker.off('error', onError);
      worker.off('exit', onExit);
      worker.unref();
      resolve();
    };
    // An ended thread has a negative id and emits no further events.
    if (worker.threadId < 0) return reject(reason);
    worker.on('error', onError);
    worker.once('exit', onExit);
    worker.once('message', over);
    worker.ref();
    worker.postMessage(args, []);
  });
}
