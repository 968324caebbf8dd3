/** The engine of a run in a browser: WebAssembly, or WebGPU if it is faster. */
import { openOnnxEngine, type OnnxRuntimeModule } from '@dm/jit';
import type { Engine } from '@dm/ops';
import type { TrainingSetup } from '../setup/training-setup.js';
import { startingState } from '../setup/state-table.js';
import { fetchBatch } from '../step/batch.js';
import { compileStep } from '../step/compiled-step.js';
import { trainStep } from '../step/training-loop.js';
import { messageOf } from '../errors.js';
import { navigatorOf } from './navigator.js';

export type BrowserDevice = 'cpu' | 'webgpu';

/** The module of onnxruntime-web, or a function that loads the one for a device, so that a page loads only what it uses. */
export type OrtChoice = OnnxRuntimeModule | ((device: BrowserDevice) => OnnxRuntimeModule | Promise<OnnxRuntimeModule>);

export interface OpenEngineOptions {
  /** Omitted in Node, since the engine has its own runtime there. */
  readonly ort?: OrtChoice | undefined;
  readonly threads: number | null;
}

export async function openBrowserEngine(device: BrowserDevice, { ort, threads }: OpenEngineOptions): Promise<Engine> {
  const module = typeof ort === 'function' ? await ort(device) : ort;
  return openOnnxEngine({
    device,
    ...(module !== undefined && { ort: module }),
    ...(threads !== null && { threads }),
  });
}

/** The device that was chosen, its engine, and what was measured: milliseconds of a training step on each device. */
export interface ChosenEngine {
  readonly device: BrowserDevice;
  readonly engine: Engine;
  readonly deviceProbe?: Readonly<Record<string, number | string>>;
}

/** Steps that are measured after the first one, which compiles. The shortest counts, since other tabs can only slow it down. */
const measuredSteps = 2;

/**
 * Measures a training step on WebAssembly and on WebGPU, and opens the engine that is faster. Without WebGPU, or if it does
 * not work, that is WebAssembly. `onNote` receives the reason.
 */
export async function fasterEngine(
  setup: TrainingSetup,
  options: OpenEngineOptions,
  onNote?: (text: string) => void,
): Promise<ChosenEngine> {
  const engine = await openBrowserEngine('cpu', options);
  if (!(await hasWebGpu())) return { device: 'cpu', engine };
  let other: Engine | undefined;
  try {
    // Infinite if only the other device can compute the step, such as one in half precision.
    const cpu = await stepMs(setup, engine).catch(() => Infinity);
    other = await openBrowserEngine('webgpu', options);
    const webgpu = await stepMs(setup, other);
    const [chosen, unused] = webgpu < cpu ? [other, engine] : [engine, other];
    await unused.dispose();
    return {
      device: webgpu < cpu ? 'webgpu' : 'cpu',
      engine: chosen,
      deviceProbe: { ...(cpu < Infinity && { cpu }), webgpu },
    };
  } catch (error) {
    onNote?.(`training on the CPU, since a step on WebGPU failed: ${messageOf(error)}`);
    await other?.dispose();
    return { device: 'cpu', engine, deviceProbe: { failed: messageOf(error) } };
  }
}

async function hasWebGpu(): Promise<boolean> {
  const { gpu } = navigatorOf<{ readonly gpu: { requestAdapter(): Promise<unknown> } }>();
  const adapter = await gpu?.requestAdapter().catch(() => null);
  return adapter !== undefined && adapter !== null;
}

/** Milliseconds of a training step, of a run that has just begun. */
async function stepMs(setup: TrainingSetup, engine: Engine): Promise<number> {
  const compiled = await compileStep(setup, engine, startingState(setup));
  try {
    const batch = await fetchBatch(setup, 0);
    const curriculumState = setup.curriculum.initialState?.();
    let shortest = Infinity;
    for (let n = 0; n <= measuredSteps; n++) {
      const began = performance.now();
      await trainStep(setup, compiled, 0, batch, curriculumState);
      if (n > 0) shortest = Math.min(shortest, performance.now() - began);
    }
    return Number(shortest.toPrecision(4));
  } finally {
    await compiled.dispose();
  }
}
