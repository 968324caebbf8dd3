import type { Engine } from '@dm/ops';
import { EngineError } from './errors.js';
import { type EnginePlatform, type OnnxEngineOptions, openEngineOn } from './onnx-engine.js';
import { javaScriptRuntime, moduleVersion } from './runtime/javascript.js';
import { createWebDeviceRuntime, isWebGpuModule, webGpuHint } from './runtime/web/device.js';
import { setThreads } from './runtime/web/threads.js';
import { unusableDevice } from './runtime/unusable-device.js';

const browser: EnginePlatform = {
  async openRuntime(device, ort) {
    if (ort === undefined) {
      throw new EngineError(
        'RUNTIME_MISSING',
        'In a browser, give the engine ONNX Runtime: import * as ort from "onnxruntime-web/wasm" (npm install ' +
          'onnxruntime-web), then openOnnxEngine({ ort }). For the device "webgpu", import "onnxruntime-web/jspi" instead.',
      );
    }
    const name = `onnxruntime-web ${moduleVersion(ort)}`;
    if (device === 'cpu') return javaScriptRuntime(ort, name);
    if (device !== 'webgpu')
      throw unusableDevice(device, new Error('browsers do not have it'), 'Use "cpu" or "webgpu".');
    if (!isWebGpuModule(ort)) {
      throw unusableDevice(device, new Error('this build of onnxruntime-web does not support it'), webGpuHint);
    }
    return createWebDeviceRuntime(ort, name);
  },
  threads: async (wanted, ort) => (ort === undefined ? wanted : setThreads(ort, wanted)),
};

/**
 * Opens the compiling engine: it traces a program once per signature of its inputs, lowers it to an ONNX graph, and
 * runs that graph in one session call per step.
 *
 *   import * as ort from 'onnxruntime-web/wasm';
 *   const engine = await openOnnxEngine({ ort });
 *
 * @throws {RangeError} if `threads` is not a positive integer, `device` or `convolutionLayout` is unknown, or
 *   `convolutionLayout` is given for another device than `webgpu`
 * @throws {EngineError} `RUNTIME_MISSING` without `ort` or `runtime`; `THREADS_UNAVAILABLE` if the page cannot have that
 *   many threads; `DEVICE_UNUSABLE` if the device does not work in this browser
 */
export async function openOnnxEngine(options: OnnxEngineOptions = {}): Promise<Engine> {
  return openEngineOn(browser, options);
}
