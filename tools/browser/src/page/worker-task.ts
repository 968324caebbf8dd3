/** What a worker of the test page does, on the build of ONNX Runtime that it has loaded. */
import { openOnnxEngine, type OnnxRuntimeModule } from '@dm/jit';
import { type ModelName, train, type Trained } from '../train.js';

export interface Task {
  readonly device: 'cpu' | 'webgpu';
  readonly model: ModelName;
  readonly steps: number;
  readonly threads?: number;
}

export interface Result extends Trained {
  readonly info: Readonly<Record<string, string | number | boolean>>;
  /** Milliseconds of each step after the first two. */
  readonly msPerStep: readonly number[];
  /** Bytes of all WebAssembly memories after each hundredth step. */
  readonly memory: readonly number[];
}

interface Scope {
  addEventListener(type: 'message', listener: (event: { readonly data: Task }) => void): void;
  postMessage(message: Result | { readonly error: string; readonly code?: string }): void;
}

const scope = globalThis as unknown as Scope;

/** Answers each task with its result, or with the message and code of its error. */
export function serve(ort: OnnxRuntimeModule): void {
  scope.addEventListener('message', ({ data }) => {
    run(ort, data).then(
      (result) => scope.postMessage(result),
      (error: Error & { code?: string }) =>
        scope.postMessage({
          error: String(error.stack ?? error),
          ...(error.code !== undefined && { code: error.code }),
        }),
    );
  });
}

async function run(ort: OnnxRuntimeModule, { device, model, steps, threads }: Task): Promise<Result> {
  const engine = await openOnnxEngine({ ort, device, ...(threads !== undefined && { threads }) });
  const [times, memory]: [number[], number[]] = [[], []];
  const trained = await train(engine, model, steps, (step) => {
    times.push(performance.now());
    if (step % 100 === 0) memory.push(memoryBytes());
  });
  const { info } = engine;
  await engine.dispose();
  return { ...trained, info, msPerStep: times.slice(2).map((time, i) => time - times[i + 1]!), memory };
}

/** Counts the WebAssembly memories that this worker makes, the runtime's among them. */
const memories: { readonly buffer: { readonly byteLength: number } }[] = [];

interface Wasm {
  Memory: new (limits: object) => { readonly buffer: { readonly byteLength: number } };
  instantiate: (...args: unknown[]) => Promise<unknown>;
  instantiateStreaming: (...args: unknown[]) => Promise<unknown>;
}

const wasm = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly;
for (const name of ['instantiate', 'instantiateStreaming'] as const) {
  const original = wasm[name];
  wasm[name] = async (...args) => {
    const made = (await original.apply(wasm, args)) as {
      instance?: { exports: Record<string, unknown> };
      exports?: Record<string, unknown>;
    };
    const exports = made.instance?.exports ?? made.exports ?? {};
    const imports = (args[1] ?? {}) as Record<string, Record<string, unknown>>;
    for (const value of [...Object.values(exports), ...Object.values(imports).flatMap((of) => Object.values(of))]) {
      if (value instanceof wasm.Memory && !memories.includes(value)) memories.push(value);
    }
    return made;
  };
}

function memoryBytes(): number {
  return memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
}
