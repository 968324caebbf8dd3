/** What the worker of the test page does with a run in a browser. */
import {
  createBrowserTraining,
  exportRunZip,
  importRunZip,
  listOpfsRuns,
  listIndexedDbRuns,
  openIndexedDbStore,
  openOpfsStore,
  type BrowserTraining,
  type RunStore,
} from '@dm/trainer/browser';
import * as ort from 'onnxruntime-web/wasm';
import type { PartialConfig } from '@dm/trainer/core';
import { formulaDataset, sixSteps } from '../run.js';
import { memoryBytes } from '../wasm-memory.js';

// Separate files: the runtime's threads load the first one, so it cannot be part of a bundle.
ort.env.wasm.wasmPaths = {
  mjs: new URL('onnxruntime-web/ort-wasm-simd-threaded.mjs', import.meta.url).href,
  wasm: new URL('onnxruntime-web/ort-wasm-simd-threaded.wasm', import.meta.url).href,
};

export interface RunTask {
  /** `steps` makes `count` steps, `finish` the rest; both leave the run open. */
  readonly do: 'steps' | 'finish' | 'abort' | 'files' | 'runs' | 'memory' | 'export' | 'import';
  readonly store: 'opfs' | 'indexeddb';
  readonly name: string;
  readonly count?: number;
  /** Path of a file of which only the first half is written; its save then never ends. */
  readonly stallAt?: string;
  /** Changes of `sixSteps`. */
  readonly config?: PartialConfig;
  /** The bytes of the zip to import. */
  readonly zip?: readonly number[];
}

interface Scope {
  addEventListener(
    type: 'message',
    listener: (event: { readonly data: { readonly id: number; readonly task: RunTask } }) => void,
  ): void;
  postMessage(message: object): void;
}

const scope = globalThis as unknown as Scope;

scope.addEventListener('message', ({ data: { id, task } }) => {
  perform(task).then(
    (result) => scope.postMessage({ id, result }),
    (error: Error & { readonly code?: string }) => scope.postMessage({ id, error: `${error.code} ${error.stack}` }),
  );
});

const trainings = new Map<string, { readonly training: BrowserTraining; readonly losses: number[] }>();

async function perform(task: RunTask): Promise<unknown> {
  const { do: action, store: kind, name, count = 0, config = {}, stallAt, zip = [] } = task;
  if (action === 'runs') return kind === 'opfs' ? listOpfsRuns() : listIndexedDbRuns();
  if (action === 'memory') return memoryBytes();
  const store = await (kind === 'opfs' ? openOpfsStore(name) : openIndexedDbStore(name));
  if (action === 'files') return hashesOf(store);
  if (action === 'export') return [...new Uint8Array(await (await exportRunZip(store)).arrayBuffer())];
  if (action === 'import') return importRunZip(store, Uint8Array.from(zip));
  const { training, losses } = trainings.get(name) ?? open(stalling(store, stallAt), config);
  if (action === 'abort') {
    trainings.delete(name);
    return training.abort();
  }
  const { step: firstStep } = await training.open();
  for (let n = 0; n < count; n++) await training.step();
  if (action === 'finish') await training.run();
  return { firstStep, losses };
}

function open(store: RunStore, config: PartialConfig) {
  const losses: number[] = [];
  const training = createBrowserTraining(
    { ...sixSteps, ...config },
    {
      store,
      ort,
      dataset: formulaDataset(),
      onStep: ({ result }) => losses.push(result.loss),
    },
  );
  trainings.set(store.name, { training, losses });
  return { training, losses };
}

/** The store, which writes half of the file `path` and then nothing. */
function stalling(store: RunStore, path: string | undefined): RunStore {
  if (path === undefined) return store;
  return {
    ...store,
    async write(written, bytes) {
      if (written !== path) return store.write(written, bytes);
      await store.write(written, bytes.subarray(0, bytes.length >> 1));
      return new Promise(() => {});
    },
  };
}

/** SHA-256 of each file of the run's checkpoints. */
async function hashesOf(store: RunStore): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const { path } of await store.list()) {
    if (!path.startsWith('checkpoints/')) continue;
    const digest = await globalThis.crypto.subtle.digest(
      'SHA-256',
      (await store.read(path)) as Uint8Array<ArrayBuffer>,
    );
    hashes[path] = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
  }
  return hashes;
}
