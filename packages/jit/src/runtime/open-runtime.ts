/** Which runtime the engine gets where it is given none. */
import { EngineError } from '../errors.js';
import { openCApiRuntime } from './c-api/runtime.js';
import { createJavaScriptRuntime, type OnnxRuntimeModule } from './javascript.js';
import { isNode } from './processors.js';
import type { Device, Runtime } from './runtime.js';

/**
 * Under Node the C API of onnxruntime-node's library for the processor, and its JavaScript API for other devices;
 * onnxruntime-web elsewhere. Where the C API cannot be reached, Node's processor goes by the JavaScript API too, which is
 * slower and takes more memory, and the runtime's name says so with the reason. Throws an EngineError that says what to install
 * where there is none of them.
 */
export async function openRuntime(device: Device): Promise<Runtime> {
  if (!isNode) return javascriptApi('onnxruntime-web', 'web');
  if (device !== 'cpu') return javascriptApi('onnxruntime-node', 'node');
  try {
    return await openCApiRuntime();
  } catch (error) {
    const runtime = await javascriptApi('onnxruntime-node', 'node');
    const reason = error instanceof Error ? error.message.split('\n')[0]! : String(error);
    return { ...runtime, name: `${runtime.name} (its C API cannot be reached: ${reason})` };
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
