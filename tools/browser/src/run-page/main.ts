/** The test page of runs: `call(task)` passes a task to its worker, which lives as long as the page. */
import type { RunTask } from './worker.js';

interface Message {
  readonly data: { readonly id: number; readonly result?: unknown; readonly error?: string };
}
interface PageWorker {
  addEventListener(type: 'message', listener: (message: Message) => void): void;
  addEventListener(type: 'error', listener: (event: { readonly message?: string }) => void): void;
  postMessage(message: { readonly id: number; readonly task: RunTask }): void;
}
declare const Worker: new (url: URL, options: { readonly type: 'module' }) => PageWorker;

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
let calls = 0;

worker.addEventListener('message', ({ data: { id, result, error } }) => {
  const { resolve, reject } = waiting.get(id)!;
  waiting.delete(id);
  if (error === undefined) resolve(result);
  else reject(new Error(error));
});
worker.addEventListener('error', ({ message = 'the worker could not be loaded' }) => {
  for (const { reject } of waiting.values()) reject(new Error(message));
});

function call(task: RunTask): Promise<unknown> {
  return new Promise((resolve, reject) => {
    calls++;
    waiting.set(calls, { resolve, reject });
    worker.postMessage({ id: calls, task });
  });
}

Object.assign(globalThis, { call });
