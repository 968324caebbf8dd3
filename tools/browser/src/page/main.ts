/** The test page: `run(task)` starts a module worker for a task and resolves to its answer. */
import type { Task } from './worker-task.js';

interface PageWorker {
  addEventListener(
    type: string,
    listener: (event: { readonly data?: unknown; readonly message?: string }) => void,
  ): void;
  postMessage(task: Task): void;
  terminate(): void;
}
declare const Worker: new (url: URL, options: { readonly type: 'module' }) => PageWorker;

function start(device: Task['device']): PageWorker {
  return device === 'cpu'
    ? new Worker(new URL('./worker-wasm.ts', import.meta.url), { type: 'module' })
    : new Worker(new URL('./worker-webgpu.ts', import.meta.url), { type: 'module' });
}

async function run(task: Task): Promise<unknown> {
  const worker = start(task.device);
  try {
    return await new Promise((resolve, reject) => {
      worker.addEventListener('message', ({ data }) => resolve(data));
      worker.addEventListener('error', ({ message }) => reject(new Error(message ?? 'the worker could not be loaded')));
      worker.postMessage(task);
    });
  } finally {
    worker.terminate();
  }
}

Object.assign(globalThis, { run });
