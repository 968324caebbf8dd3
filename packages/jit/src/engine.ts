import type { Engine } from '@dm/ops';
import { type OnnxEngineOptions, openEngineOn, type EnginePlatform } from './onnx-engine.js';
import { openRuntime } from './runtime/open-runtime.js';
import { defaultThreads } from './runtime/processors.js';
import { openUpdateThreads } from './update/threads.js';

const node: EnginePlatform = { openRuntime, threads: async (wanted) => wanted ?? defaultThreads(), openUpdateThreads };

/**
 * Opens the compiling engine: it traces a program once per signature of its inputs, lowers it to an ONNX graph, and
 * runs that graph in one session call per step.
 * @throws {RangeError} if `threads` is not a positive integer, `device` or `convolutionLayout` is unknown, or
 *   `convolutionLayout` is given for another device than `webgpu`
 * @throws {EngineError} if the runtime package is not installed, or the device does not work on this machine
 */
export async function openOnnxEngine(options: OnnxEngineOptions = {}): Promise<Engine> {
  return openEngineOn(node, options);
}
