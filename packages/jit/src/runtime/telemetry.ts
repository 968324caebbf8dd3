/**
 * ONNX Runtime's telemetry. From version 1.29 on, the library for Linux and macOS writes a log to the temporary folder and a
 * device id and a database to the user's cache, and sends events to its maker, unless it finds `ORT_DISABLE_TELEMETRY=1` or
 * one of the variables that continuous integration sets. It looks once, when a process makes its first environment.
 */
import type Koffi from 'koffi';
import { EngineError } from '../errors.js';
import { loadKoffi } from './c-api/koffi.js';

const disablingVariable = 'ORT_DISABLE_TELEMETRY';

/** Whether the user asked for ONNX Runtime's telemetry, which is off otherwise. */
export const isTelemetryWanted = (): boolean => process.env['DM_ORT_TELEMETRY'] === '1';

let disabled: Promise<void> | undefined;

/**
 * Switches telemetry off for this process and those that it starts, unless it is wanted. To be awaited before the runtime
 * makes an environment.
 *
 * @throws {EngineError} if the process's environment cannot be changed from here.
 */
export async function disableTelemetry(): Promise<void> {
  if (!isTelemetryWanted()) await (disabled ??= disable());
}

async function disable(): Promise<void> {
  // In the main thread this is the environment of the process, unless a test runner has put a copy in its place; in a worker it
  // is always a copy. Processes started from here inherit it.
  process.env[disablingVariable] = '1';
  let koffi: typeof Koffi;
  try {
    koffi = await loadKoffi();
  } catch {
    return setInMainThread();
  }
  setInProcess(koffi);
}

/** Sets the variable for C, from whatever thread. */
function setInProcess(koffi: typeof Koffi): void {
  if (process.platform === 'win32') {
    const set = koffi
      .load('kernel32.dll')
      .func('SetEnvironmentVariableW', 'int', ['const char16_t *', 'const char16_t *']);
    set(disablingVariable, '1');
    return;
  }
  const c = koffi.load(null);
  // Other threads may be reading the environment: it is not changed without need.
  if (c.func('getenv', 'const char *', ['const char *'])(disablingVariable) === '1') return;
  c.func('setenv', 'int', ['const char *', 'const char *', 'int'])(disablingVariable, '1', 1);
}

/** How long a main thread may keep a worker waiting, in ms. */
const PATIENCE_MS = 5000;

/** Sets the variable by JavaScript of the main thread, the only one with access to the environment of the process. */
async function setInMainThread(): Promise<void> {
  const { isMainThread } = await import('node:worker_threads');
  if (isMainThread) return;
  const { Session } = await import('node:inspector/promises');
  const { setTimeout } = await import('node:timers/promises');
  const session = new Session();
  const patience = new AbortController();
  try {
    session.connectToMainThread();
    await Promise.race([
      session.post('Runtime.evaluate', { expression: `process.env.${disablingVariable} = '1'` }),
      setTimeout(PATIENCE_MS, undefined, { signal: patience.signal }).then(() => {
        throw new EngineError('RUNTIME_FAILED', 'the main thread does not answer');
      }),
    ]);
  } catch (cause) {
    throw new EngineError(
      'RUNTIME_FAILED',
      "ONNX Runtime's telemetry cannot be switched off from this worker thread: install the package koffi, start the engine " +
        'in the main thread first, or allow telemetry with DM_ORT_TELEMETRY=1',
      { cause },
    );
  } finally {
    patience.abort();
    session.disconnect();
  }
}
