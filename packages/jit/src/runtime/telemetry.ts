/**
 * ONNX Runtime's telemetry. Since version 1.29, the library for Linux and macOS writes a log to the temporary folder
 * and a device id and a database to the user's cache, and sends events to Microsoft, unless it finds
 * `ORT_DISABLE_TELEMETRY=1` or one of the variables that CI systems set. It checks only once, when a process creates
 * its first environment.
 */
import type Koffi from 'koffi';
import { EngineError } from '../errors.js';
import { loadKoffi } from './c-api/koffi.js';

const disablingVariable = 'ORT_DISABLE_TELEMETRY';

/** Whether the user opted in to ONNX Runtime's telemetry, which is off by default. */
export const isTelemetryWanted = (): boolean => process.env['DM_ORT_TELEMETRY'] === '1';

let disabled: Promise<void> | undefined;

/**
 * Disables telemetry for this process and its child processes, unless the user opted in. Must be awaited before the
 * runtime creates an environment.
 * @throws {EngineError} if the environment of the process cannot be changed from here
 */
export async function disableTelemetry(): Promise<void> {
  if (!isTelemetryWanted()) await (disabled ??= disable());
}

async function disable(): Promise<void> {
  // In the main thread this is the environment of the process, unless a test runner has replaced it by a copy; in a
  // worker it is always a copy. Child processes inherit it.
  process.env[disablingVariable] = '1';
  let koffi: typeof Koffi;
  try {
    koffi = await loadKoffi();
  } catch {
    return setInMainThread();
  }
  setInProcess(koffi);
}

/** Sets the environment variable through C, from any thread. */
function setInProcess(koffi: typeof Koffi): void {
  if (process.platform === 'win32') {
    const set = koffi
      .load('kernel32.dll')
      .func('SetEnvironmentVariableW', 'int', ['const char16_t *', 'const char16_t *']);
    set(disablingVariable, '1');
    return;
  }
  const c = koffi.load(null);
  // Other threads may be reading the environment, so it is changed only if necessary.
  if (c.func('getenv', 'const char *', ['const char *'])(disablingVariable) === '1') return;
  c.func('setenv', 'int', ['const char *', 'const char *', 'int'])(disablingVariable, '1', 1);
}

/** How long to wait for the main thread, in ms. */
const PATIENCE_MS = 5000;

/**
 * Sets the variable from JavaScript of the main thread, the only thread that can change the environment of the process.
 */
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
        throw new EngineError('RUNTIME_FAILED', 'the main thread does not respond');
      }),
    ]);
  } catch (cause) {
    throw new EngineError(
      'RUNTIME_FAILED',
      "ONNX Runtime's telemetry cannot be disabled from this worker thread: install the package koffi, start the engine " +
        'in the main thread first, or allow telemetry with DM_ORT_TELEMETRY=1',
      { cause },
    );
  } finally {
    patience.abort();
    session.disconnect();
  }
}
