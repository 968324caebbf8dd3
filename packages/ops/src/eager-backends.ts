import type * as NodeModule from 'node:module';
import type * as NodePath from 'node:path';
import * as tf from '@tensorflow/tfjs-core';

/** An eager engine's name, as after `--engine`. */
export type EagerName = 'tfjs-cpu' | 'tfjs-wasm' | 'tfjs-webgpu' | 'tfjs-node' | 'tfjs-node-gpu';

/** The source of an eager engine: the npm package, and the TF.js backend that it registers. */
export interface EagerBackend {
  readonly package: string;
  readonly backend: string;
  /** Whether installing runs a script that fetches a native library, which pnpm must be told to allow. */
  readonly native: boolean;
  /** Environment variable with the folder of a package that was built by hand, which then goes before the installed. */
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
 * Makes sure that the engine's TF.js backend is registered and started, and returns the backend's name. The backend
 * that was selected before stays selected.
 * @throws {Error} if the package is missing (naming it, and how to install it), or does not load or start (with the
 *   cause)
 */
export async function startBackend(name: EagerName, load?: () => Promise<unknown>): Promise<string> {
  const mine = starting.then(() => start(name, load));
  starting = mine.catch(() => undefined);
  return mine;
}

/** TF.js starts a backend only by selecting it; one start at a time, since a second would cancel the first. */
let starting: Promise<unknown> = Promise.resolve();

async function start(name: EagerName, load: (() => Promise<unknown>) | undefined): Promise<string> {
  const { backend, package: packageName, native } = eagerBackends[name];
  const former = tf.getBackend() as string | undefined;
  try {
    if (!tf.findBackendFactory(backend)) {
      if (native) await restoreIsNullOrUndefined();
      try {
        await (load === undefined ? importPackage(name) : load());
      } catch (cause) {
        throw loadError(name, cause, load === undefined ? givenFolder(name) : undefined);
      }
      if (!tf.findBackendFactory(backend)) {
        throw new Error(`The engine "${name}" cannot run here: ${packageName} found no device or runtime for it`);
      }
    }
    if (!(backend in tf.engine().registry) && !(await tf.setBackend(backend))) {
      throw new Error(`The engine "${name}" could not be started: TF.js says above why`);
    }
  } finally {
    // Loading tfjs-node selects it, too.
    if (former !== undefined) select(former);
  }
  if (native) checkPackage(name);
  return backend;
}

/** The folder that the user gives for the engine's package, if any. */
function givenFolder(name: EagerName): string | undefined {
  const { process } = globalThis as { process?: { env?: Readonly<Record<string, string | undefined>> } };
  const { variable } = eagerBackends[name];
  return (variable && process?.env?.[variable]) || undefined;
}

/** A second copy of tfjs-core below a given folder does no harm: all copies in a process share one engine. */
async function importPackage(name: EagerName): Promise<unknown> {
  const folder = givenFolder(name);
  if (folder === undefined) return import(/* @vite-ignore */ eagerBackends[name].package);
  const modules = ['node:module', 'node:path']; // by variable: bundlers for browsers must not look for them
  const [module, path] = (await Promise.all(modules.map((each) => import(/* @vite-ignore */ each)))) as [
    typeof NodeModule,
    typeof NodePath,
  ];
  const absolute = path.resolve(folder);
  return module.createRequire(path.join(absolute, 'package.json'))(absolute) as unknown;
}

/** tfjs-node and tfjs-node-gpu register the same backend, so the first one that a process loads represents both. */
function checkPackage(name: EagerName): void {
  const { isGPUPackage } = tf.findBackend(eagerBackends[name].backend) as { isGPUPackage?: boolean };
  const loaded: EagerName = isGPUPackage === true ? 'tfjs-node-gpu' : 'tfjs-node';
  if (loaded !== name) {
    throw new Error(`The engine "${name}" cannot start: this process has already loaded @tensorflow/${loaded}`);
  }
}

/** Selects a backend that has been started; does nothing for one that has not. */
function select(backend: string): void {
  // Synchronous for a started backend: TF.js's promise is resolved before it returns.
  if (backend in tf.engine().registry) void tf.setBackend(backend);
}

/** Runs the synchronous `body` with `backend` selected, then selects the former one again. */
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
    return new Error(`The engine "${name}" cannot start: ${variable}=${folder} does not load (${message})`, { cause });
  }
  // Node and bundlers say it in their own words; a file missing inside the package is another failure.
  const missing = new RegExp(`(Cannot find (package|module)|Could not resolve) ['"]${packageName}['"]`).test(message);
  const pnpm = native ? `pnpm add --allow-build=${packageName} ${packageName}` : `pnpm add ${packageName}`;
  const install = `"npm install ${packageName}" or "${pnpm}"`;
  if (missing) {
    return new Error(
      `The engine "${name}" needs the package ${packageName}, which is not installed. Install it with ${install}.`,
      { cause },
    );
  }
  // pnpm skips install scripts that it was not told to allow, and the native library is then absent.
  const hint = native ? ` If its install script has not run: ${install}.` : '';
  return new Error(`The engine "${name}" cannot start: ${packageName} does not load (${message}).${hint}`, { cause });
}

/** tfjs-node 4.22 calls this function of Node's, which Node 23 removed. */
async function restoreIsNullOrUndefined(): Promise<void> {
  const module = 'node:util'; // by variable: bundlers for browsers must not look for it
  const { default: util } = (await import(/* @vite-ignore */ module)) as { default: Record<string, unknown> };
  util['isNullOrUndefined'] ??= (value: unknown) => value === null || value === undefined;
}
