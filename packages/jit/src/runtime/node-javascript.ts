/** ONNX Runtime's JavaScript API in Node: the binding onnxruntime-node, without telemetry. */
import { disableBindingEvents } from './c-api/runtime.js';
import { javaScriptRuntime, type OnnxRuntimeModule } from './javascript.js';
import type { Runtime } from './runtime.js';
import { disableTelemetry, isTelemetryWanted } from './telemetry.js';

/** Creates a runtime from such a module; `name` is shown in the engine's `info`. */
export const createJavaScriptRuntime = (module: OnnxRuntimeModule, name: string): Runtime =>
  javaScriptRuntime(module, name, silenceBinding);

/** Turns the binding's telemetry off. The binding creates its environment with its first session. */
async function silenceBinding(): Promise<void> {
  await disableTelemetry();
  if (process.platform !== 'win32' || isTelemetryWanted()) return;
  try {
    await disableBindingEvents(); // in the environment of the library that the binding uses
  } catch {
    // Without koffi, the system's own settings decide about events (see the README).
  }
}
