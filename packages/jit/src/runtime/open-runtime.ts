/** Chooses the runtime of an engine in Node that was not given one. */
import { EngineError } from '../errors.js';
import { checkPlatform, currentPlatform } from './c-api/find-library.js';
import { openDeviceRuntime } from './c-api/device.js';
import { openCApiRuntime } from './c-api/runtime.js';
import { moduleVersion, type OnnxRuntimeModule } from './javascript.js';
import { createJavaScriptRuntime } from './node-javascript.js';
import { type Device, deviceLabel, type DeviceRuntime, type Runtime } from './runtime.js';
import { unusableDevice } from './unusable-device.js';

/**
 * A runtime on the module `ort`, if given; otherwise the C API of ONNX Runtime's library. If that is unavailable and
 * onnxruntime-node is installed, its JavaScript API is used for the CPU; it is slower and needs more memory, and the
 * runtime's name states the reason. Other devices need the C API: the JavaScript API can neither keep state on a device
 * nor run without blocking the process.
 * @throws {EngineError} naming the package to install, or another engine if the platform has no library
 */
export async function openRuntime(
  device: Device,
  ort?: OnnxRuntimeModule,
  index?: number,
): Promise<Runtime | DeviceRuntime> {
  if (ort !== undefined) {
    if (device !== 'cpu') {
      throw new EngineError(
        'DEVICE_UNUSABLE',
        `The device "${deviceLabel(device, index)}" does not work with the option "ort" in Node: the module computes on ` +
          '"cpu" only. Leave out "ort".',
      );
    }
    return createJavaScriptRuntime(ort, `ONNX Runtime ${moduleVersion(ort)}, JavaScript API`);
  }
  checkPlatform(await currentPlatform());
  if (device !== 'cpu') {
    try {
      return await openDeviceRuntime(device, index);
    } catch (cause) {
      throw unusableDevice(device, cause, undefined, index);
    }
  }
  try {
    return await openCApiRuntime();
  } catch (error) {
    const runtime = await onnxruntimeNode().catch(() => undefined);
    if (runtime === undefined) throw error;
    const reason = error instanceof Error ? error.message.split('\n')[0]! : String(error);
    return { ...runtime, name: `${runtime.name} (C API unavailable: ${reason})` };
  }
}

async function onnxruntimeNode(): Promise<Runtime> {
  const name = 'onnxruntime-node';
  try {
    const imported = (await import(name)) as { default?: OnnxRuntimeModule } & OnnxRuntimeModule;
    const module = imported.default ?? imported;
    return createJavaScriptRuntime(module, `${name} ${moduleVersion(module)}, JavaScript API`);
  } catch (cause) {
    throw new EngineError(
      'RUNTIME_MISSING',
      `The onnx engine needs the package ${name}, which could not be loaded. Install it: npm install ${name}`,
      { cause },
    );
  }
}
