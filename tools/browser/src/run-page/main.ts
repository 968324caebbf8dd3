/** The test page of runs: `call(task)` passes a task to its worker, which lives as long as the page. */
import { connectTraining, requestPersistence } from '@dm/trainer/browser';
import { sixSteps } from '../run.js';
import type { RunTask } from './worker.js';

interface Message {
  readonly data: { readonly id: number; readonly result?: unknown; readonly error?: string };
}
interface PageWorker {
  addEventListener(type: 'message', listener: (message: Message) => void): void;
  addEventListener(type: 'error', listener: (event: { readonly message?: string }) => void): void;
  postMessage(message: { readonly id: number; readonly task: RunTask } | 'crash'): void;
  terminate(): void;
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

interface Task {
  readonly name: string;
  /** `cpu` measures, unless `threads` is given. */
  readonly device: 'cpu' | 'webgpu';
  readonly threads?: 1;
  /** Steps to make one by one; without it, the run is trained to its end. */
  readonly steps?: number;
}

/** Trains a run in a separate worker, connected by typed messages; returns what it reported. */
async function train({ name, device, steps, ...threads }: Task): Promise<object> {
  const own = new Worker(new URL('./connected-worker.ts', import.meta.url), { type: 'module' });
  const [losses, logged, notes]: [number[], number[], string[]] = [[], [], []];
  const training = connectTraining(
    own as never,
    { ...sixSteps, ...threads, out: name, device },
    {
      onStep: ({ result }) => losses.push(result.loss),
      onLog: ({ step }) => logged.push(step),
      onNote: (text) => notes.push(text),
    },
  );
  const opened = await training.open();
  for (let n = 0; n < (steps ?? 0); n++) await training.step();
  const result = steps === undefined ? await training.run() : undefined;
  const { data } = await training.sample(1);
  const storage = await requestPersistence();
  return { opened, result, losses, logged, notes, sampled: data.length, storage };
}

/** Trains a run until its worker crashes after `steps` steps; returns the error of the page, and whether a later call fails. */
async function crash({ name, steps }: { readonly name: string; readonly steps: number }): Promise<object> {
  const own = new Worker(new URL('./connected-worker.ts', import.meta.url), { type: 'module' });
  const training = connectTraining(own as never, { ...sixSteps, out: name, threads: 1 });
  for (let n = 0; n < steps; n++) await training.step();
  const describe = ({ code, message }: Error & { readonly code?: string }) => `${code} ${message}`;
  const running = training.run().then(() => 'finished', describe);
  own.postMessage('crash');
  const errors = [await running, await training.step().then(() => 'made a step', describe)];
  own.terminate();
  return errors;
}

Object.assign(globalThis, { call, crash, train });
