/** The page that is timed: `open` starts a worker for a library and opens a step there, `steps` makes steps. */
import type { Opened, Order, Timed } from './serve.js';

interface PageWorker {
  addEventListener(
    type: 'message',
    listener: (event: { readonly data: unknown }) => void,
    options: { readonly once: boolean },
  ): void;
  addEventListener(type: 'error', listener: (event: { readonly message?: string }) => void): void;
  postMessage(order: Order): void;
}
declare const Worker: new (url: URL, options: { readonly type: 'module' }) => PageWorker;

/** Bundlers find a worker by this expression. */
const libraries = {
  dm: () => new Worker(new URL('./worker-dm.ts', import.meta.url), { type: 'module' }),
  tfjs: () => new Worker(new URL('./worker-tfjs.ts', import.meta.url), { type: 'module' }),
  jax: () => new Worker(new URL('./worker-jax.ts', import.meta.url), { type: 'module' }),
} as const;

export type Library = keyof typeof libraries;

const workers = new Map<string, PageWorker>();

function send(worker: PageWorker, order: Order): Promise<unknown> {
  return new Promise((resolve) => {
    worker.addEventListener('message', ({ data }) => resolve(data), { once: true });
    worker.addEventListener('error', ({ message }) => resolve({ error: message ?? 'the worker could not be loaded' }));
    worker.postMessage(order);
  });
}

/** Opens a step under the key `key`. */
async function open(key: string, library: Library, order: Order): Promise<Opened> {
  const worker = libraries[library]();
  workers.set(key, worker);
  return (await send(worker, order)) as Opened;
}

async function steps(key: string, count: number): Promise<Timed> {
  return (await send(workers.get(key)!, { do: 'steps', count })) as Timed;
}

Object.assign(globalThis, { open, steps });
