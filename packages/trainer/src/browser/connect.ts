/**
 * A run in a worker, controlled by the page. In the worker:
 *
 *   serveTraining(async (config, hooks) => {
 *     const store = await openOpfsStore('digits');
 *     return createBrowserTraining(config, { store, dataset, ort, ...hooks });
 *   });
 *
 * and in the page, with the same methods as in the worker:
 *
 *   const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
 *   const training = connectTraining(worker, { model: 'dit', totalSteps: 2000 }, { onStep, onSamples });
 *   await training.run();
 */
import type { PartialConfig } from '../config/schema.js';
import { deserializeError, serializeError, UserError, type SerializedError } from '../errors.js';
import { requestPersistence } from './quota.js';
import type { BrowserTrainingHooks } from './run-options.js';
import type { BrowserTraining } from './training.js';

/** Methods that the page calls; `create` comes first. */
type Method = keyof BrowserTraining;

/** From the page to the worker. */
export type TrainingRequest =
  | { readonly kind: 'create'; readonly config: PartialConfig }
  | { readonly kind: 'call'; readonly id: number; readonly method: Method; readonly args: readonly unknown[] };

type HookName = keyof BrowserTrainingHooks;

/** From the worker to the page. */
export type TrainingResponse =
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: SerializedError }
  | { readonly kind: 'event'; readonly hook: HookName; readonly value: unknown };

/** A worker, or what has its methods, such as a MessagePort that was started. */
export interface TrainingPort<Sent, Received> {
  postMessage(message: Sent): void;
  addEventListener(type: 'message', listener: (event: { readonly data: Received }) => void): void;
  addEventListener(type: 'error', listener: (event: { readonly message?: string }) => void): void;
}

const hookNames = [
  'onStart',
  'onStep',
  'onLog',
  'onSamples',
  'onCheckpoint',
  'onNote',
] as const satisfies readonly HookName[];

const methods: readonly string[] = [
  'open',
  'run',
  'pause',
  'resume',
  'step',
  'sample',
  'weights',
  'checkpoint',
  'abort',
] satisfies readonly Method[];

/**
 * Answers `connectTraining`. `create` makes the training of a configuration that the page has sent, and passes on the hooks.
 * `port` is the worker's own scope by default.
 */
export function serveTraining(
  create: (config: PartialConfig, hooks: BrowserTrainingHooks) => BrowserTraining | Promise<BrowserTraining>,
  port: TrainingPort<TrainingResponse, TrainingRequest> = ownScope(),
): void {
  const hooks = Object.fromEntries(
    hookNames.map((hook) => [hook, (value: unknown) => port.postMessage({ kind: 'event', hook, value })]),
  ) as BrowserTrainingHooks;
  let training: Promise<BrowserTraining> | undefined;

  const perform = async (method: Method, args: readonly unknown[]): Promise<unknown> => {
    if (training === undefined || !methods.includes(method)) throw new TypeError(`the page cannot call ${method}`);
    return ((await training)[method] as (...given: readonly unknown[]) => unknown)(...args);
  };
  port.addEventListener('message', ({ data }) => {
    if (data.kind === 'create') {
      training = Promise.resolve().then(() => create(data.config, hooks));
      training.catch(() => {}); // the calls report it
      return;
    }
    const { id, method, args } = data;
    perform(method, args).then(
      (value) => port.postMessage({ kind: 'result', id, value }),
      (error: unknown) => port.postMessage({ kind: 'error', id, error: serializeError(error) }),
    );
  });
}

/** The scope of this worker; TypeScript's types of the DOM are not loaded. */
function ownScope(): TrainingPort<TrainingResponse, TrainingRequest> {
  const scope: unknown = globalThis;
  return scope as TrainingPort<TrainingResponse, TrainingRequest>;
}

/**
 * The training in a worker that calls `serveTraining`. Values of methods and hooks are copies. Errors keep their messages
 * and codes. After an error outside of the training, such as of loading the worker, all methods reject with `RUN_CLOSED`.
 * `run` also asks the browser to keep what the page stores, which a worker cannot.
 */
export function connectTraining(
  port: TrainingPort<TrainingRequest, TrainingResponse>,
  config: PartialConfig,
  hooks: BrowserTrainingHooks = {},
): BrowserTraining {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let calls = 0;
  let failure: UserError | undefined;
  port.addEventListener('message', ({ data }) => {
    if (data.kind === 'event') {
      (hooks[data.hook] as ((value: unknown) => void) | undefined)?.(data.value);
      return;
    }
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.kind === 'error') call?.reject(deserializeError(data.error));
    else call?.resolve(data.value);
  });
  port.addEventListener('error', ({ message = 'it could not be loaded' }) => {
    failure = new UserError(
      `The worker that trains has failed: ${message}. Terminate it; a new worker continues from the last checkpoint.`,
      { code: 'RUN_CLOSED' },
    );
    for (const { reject } of waiting.values()) reject(failure);
    waiting.clear();
  });
  port.postMessage({ kind: 'create', config });

  const call = <T>(method: Method, ...args: readonly unknown[]): Promise<T> =>
    new Promise((resolve, reject) => {
      if (failure !== undefined) {
        reject(failure);
        return;
      }
      const id = calls++;
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      port.postMessage({ kind: 'call', id, method, args });
    });
  return {
    open: () => call('open'),
    run() {
      // Not before the request: a browser may ask its user first, and later calls must not overtake it.
      void requestPersistence().catch(() => {}); // a run that may be evicted is better than none
      return call('run');
    },
    pause: () => call('pause'),
    resume: () => void call('resume').catch(() => {}), // the other calls report it
    step: () => call('step'),
    sample: (count) => call('sample', count),
    weights: () => call('weights'),
    checkpoint: () => call('checkpoint'),
    abort: () => call('abort'),
  };
}
