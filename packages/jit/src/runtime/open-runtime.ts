/** Chooses the runtime of an engine that was not given one. */
import { EngineError } from '../errors.js';
import { checkPlatform, currentPlatform } from './c-api/find-library.js';
import { openDeviceRuntime } from './c-api/device.js';
import { openCApiRuntime } from './c-api/runtime.js';
import { createJavaScriptRuntime, type OnnxRuntimeModule } from './javascript.js';
import { isNode } from './processors.js';
import type { Device, DeviceRuntime, Runtime } from './runtime.js';
import { unusableDevice } from './unusable-device.js';

/**
 * In Node, the C API of ONNX Runtime's library; elsewhere onnxruntime-web. If the C API is unavailable and
 * onnxruntime-node is installed, its JavaScript API is used for the CPU; it is slower and needs more memory, and the
 * runtime's name states the reason. Other devices need the C API: the JavaScript API can neither keep state on a device
 * nor run without blocking the process.
 * @throws {EngineError} naming the package to install, or another engine if the platform has no library
 */
export async function openRuntime(device: Device): Promise<Runtime | DeviceRuntime> {
  if (!isNode) return javascriptApi('onnxruntime-web', 'web');
  checkPlatform(await currentPlatform());
  if (device !== 'cpu') {
    try {
      return await openDeviceRuntime(device);
    } catch (cause) {
      throw unusableDevice(device, cause);
    }
  }
  try {
    return await openCApiRuntime();
  } catch (error) {
    const runtime = await javascriptApi('onnxruntime-node', 'node').catch(() => undefined);
    if (runtime === undefined) throw error;
    const reason = error instanceof Error ? error.message.split('\n')[0]! : String(error);
    return { ...runtime, name: `${runtime.name} (C API unavailable: ${reason})` };
  }
}

async function javascriptApi(name: string, versionKey: string): Promise<Runtime> {
  type Module = OnnxRuntimeModule & { env?: { versions?: Record<string, string> } };
  try {
    const imported = (await import(name)) as { default?: Module } & Module;
    const module = imported.default ?? imported;
    const versions = module.env?.versions ?? {};
    const version = versions[versionKey] ?? versions['common'] ?? 'of unknown version';
    return createJavaScriptRuntime(module, `${name} ${version}, JavaScript API`);
  } catch (cause) {
    throw new EngineError(
      'RUNTIME_MISSING',
      `The onnx engine needs the package ${name}, which could not be loaded. Install it: npm install ${name}`,
      { cause },
    );
  }
}
