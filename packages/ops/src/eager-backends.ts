import type * as NodeModule from 'node:module';
import type * as NodePath from 'node:path';
import * as tf from '@tensorflow/tfjs-core';

/** Name of an eager engine. */
export type EagerName = 'tfjs-cpu' | 'tfjs-wasm' | 'tfjs-webgpu' | 'tfjs-node' | 'tfjs-node-gpu';

/** The npm package of an eager engine, and the TF.js backend that it registers. */
export interface EagerBackend {
  readonly package: string;
  readonly backend: string;
  /** Whether the package has an install script that downloads a native library (pnpm runs it only if it is allowed). */
  readonly native: boolean;
  /** Environment variable with the folder of a locally built package, which takes precedence over the installed one. */
  readonly variable?: string;
}

export const eagerBackends: Readonly<Record<EagerName, EagerBackend>> = {
  'tfjs-cpu': { package: '@tensorflow/tfjs-backend-cpu', backend: 'cpu', native: false },
  'tfjs-wasm': { package: '@tensorflow/tfjs-backend-wasm', backend: 'wasm', native: false },
  'tfjs-webgpu': { package: '@tensorflow/tfjs-backend-webgpu', backend: 'webgpu', native: false },
  'tfjs-node': {
    package: '@tensorflow/tfjs-node',
    backend: 'tensorflow',
    native: true,
    variable: 'DM_TFJS_NODE',
  },
  'tfjs-node-gpu': {
    package: '@tensorflow/tfjs-node-gpu',
    backend: 'tensorflow',
    native: true,
    variable: 'DM_TFJS_NODE_GPU',
  },
};

/**
 * Registers and starts the engine's TF.js backend and returns the backend's name. Does not change which backend is
 * selected.
 * @throws {Error} if the package is not installed (the message has the command to install it), or it fails to load or
 *   start (with the cause)
 */
export async function startBackend(name: EagerName, load?: () => Promise<unknown>): Promise<string> {
  const mine = starting.then(() => start(name, load));
  starting = mine.catch(() => undefined);
  return mine;
}

/** Starts run one at a time: TF.js starts a backend by selecting it, and a second selection cancels the first. */
let starting: Promise<unknown> = Promise.resolve();

async function start(name: EagerName, load: (() => Promise<unknown>) | undefined): Promise<string> {
  const { backend, package: packageName, native } = eagerBackends[name];
  const former = tf.getBackend() as string | undefined;
  try {
    if (!tf.findBackendFactory(backend)) {
      if (native) {
        await restoreIsNullOrUndefined();
        quietTensorflow();
      }
      try {
        await (load === undefined ? importPackage(name) : load());
      } catch (cause) {
        throw loadError(name, cause, load === undefined ? givenFolder(name) : undefined);
      }
      if (!tf.findBackendFactory(backend)) {
        throw new Error(`The engine "${name}" cannot run here: ${packageName} found no supported device or runtime`);
      }
    }
    if (!(backend in tf.engine().registry) && !(await tf.setBackend(backend))) {
      throw new Error(`The engine "${name}" failed to start; TensorFlow.js has printed the reason`);
    }
  } finally {
    // Loading tfjs-node also selects it.
    if (former !== undefined) select(former);
  }
  if (native) checkPackage(name);
  return backend;
}

/** Leaves only errors of libtensorflow, which otherwise prints which instructions it uses, unless the user set a level. */
function quietTensorflow(): void {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  if (process?.env !== undefined) process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
}

/** Folder of a locally built package, from the engine's environment variable. */
function givenFolder(name: EagerName): string | undefined {
  const { process } = globalThis as { process?: { env?: Readonly<Record<string, string | undefined>> } };
  const { variable } = eagerBackends[name];
  return (variable && process?.env?.[variable]) || undefined;
}

/** A local package may bring its own copy of tfjs-core: all copies in a process share one global engine. */
async function importPackage(name: EagerName): Promise<unknown> {
  const folder = givenFolder(name);
  if (folder === undefined) return import(/* @vite-ignore */ /* webpackIgnore: true */ eagerBackends[name].package);
  const modules = ['node:module', 'node:path']; // variables, so that bundlers for browsers do not resolve the imports
  const [module, path] = (await Promise.all(
    modules.map((each) => import(/* @vite-ignore */ /* webpackIgnore: true */ each)),
  )) as [typeof NodeModule, typeof NodePath];
  const absolute = path.resolve(folder);
  return module.createRequire(path.join(absolute, 'package.json'))(absolute) as unknown;
}

/** tfjs-node and tfjs-node-gpu register the same backend, so a process can use only the one that it loaded first. */
function checkPackage(name: EagerName): void {
  const { isGPUPackage } = tf.findBackend(eagerBackends[name].backend) as { isGPUPackage?: boolean };
  const loaded: EagerName = isGPUPackage === true ? 'tfjs-node-gpu' : 'tfjs-node';
  if (loaded !== name) {
    throw new Error(`The engine "${name}" cannot start: this process has already loaded @tensorflow/${loaded}`);
  }
}

/** Selects a backend if it has been started. */
function select(backend: string): void {
  // For a started backend, the selection takes effect before setBackend returns.
  if (backend in tf.engine().registry) void tf.setBackend(backend);
}

/** Runs the synchronous `body` with `backend` selected, then restores the previous selection. */
export function onBackend<T>(backend: string, body: () => T): T {
  const former = tf.getBackend() as string | undefined;
  if (former === backend) return body();
  select(backend);
  try {
    return body();
  } finally {
    if (former !== undefined) select(former);
  }
}

function loadError(name: EagerName, cause: unknown, folder: string | undefined): Error {
  const { package: packageName, native, variable } = eagerBackends[name];
  const { message = String(cause) } = cause as { message?: string };
  if (folder !== undefined) {
    return new Error(`The engine "${name}" cannot start: loading ${variable}=${folder} failed (${message})`, { cause });
  }
  // Node and bundlers word this differently. A file missing inside the package is a different failure.
  const missing = new RegExp(`(Cannot find (package|module)|Could not resolve) ['"]${packageName}['"]`).test(message);
  const pnpm = native ? `pnpm add --allow-build=${packageName} ${packageName}` : `pnpm add ${packageName}`;
  const install = `"npm install ${packageName}" or "${pnpm}"`;
  if (missing) {
    return new Error(
      `The engine "${name}" needs the package ${packageName}, which is not installed. Install it with ${install}.`,
      { cause },
    );
  }
  // pnpm skips install scripts that are not explicitly allowed; then the native library is missing.
  const hint = native ? ` If its install script did not run, reinstall it with ${install}.` : '';
  return new Error(`The engine "${name}" cannot start: loading ${packageName} failed (${message}).${hint}`, { cause });
}

/** tfjs-node 4.22 calls `util.isNullOrUndefined`, which Node 23 removed. */
async function restoreIsNullOrUndefined(): Promise<void> {
  const module = 'node:util'; // a variable, so that bundlers for browsers do not resolve the import
  const { default: util } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ module)) as {
    default: Record<string, unknown>;
  };
  util['isNullOrUndefined'] ??= (value: unknown) => value === null || value === undefined;
}
