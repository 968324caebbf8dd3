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
  const times: number[] = [];
  const trained = await train(engine, model, steps, () => {
    times.push(performance.now());
  });
  const { info } = engine;
  await engine.dispose();
  return { ...trained, info, msPerStep: times.slice(2).map((time, i) => time - times[i + 1]!) };
}
