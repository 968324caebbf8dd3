// The engines that the suites of this folder run on: those that every installation has, and those that a person adds.
import { createJavaScriptRuntime, openOnnxEngine } from '@dm/jit';
import { openEagerEngine, type Engine } from '@dm/ops';

/** What `onnx` is where koffi has nothing for the platform. */
export const onnxByJavaScript = 'onnx by the JavaScript API';

/** What `tfjs-cpu`, the reference, is compared with. These have to work; a failure to start one fails the suite. */
const always: Readonly<Record<string, () => Promise<Engine>>> = {
  'tfjs-wasm': () => openEagerEngine('tfjs-wasm'),
  onnx: () => openOnnxEngine(),
  [onnxByJavaScript]: async () =>
    openOnnxEngine({ runtime: createJavaScriptRuntime(await import('onnxruntime-node'), 'onnxruntime-node') }),
};
/** Optional peers: compared where their package is installed, or built by tools/tfjs-node and given by DM_TFJS_NODE. */
const optional = ['tfjs-node', 'tfjs-node-gpu', 'tfjs-webgpu'] as const;

export interface Missing {
  readonly name: string;
  /** One sentence. */
  readonly reason: string;
}

/** An engine, and what to call it: one engine may be reached by several roads. */
export interface NamedEngine {
  readonly name: string;
  readonly engine: Engine;
}

export interface Engines {
  readonly reference: Engine;
  readonly others: readonly NamedEngine[];
  readonly missing: readonly Missing[];
}

/** Starts every engine that can run here. Throws where one that every installation has does not start. */
export async function startEngines(): Promise<Engines> {
  const others: NamedEngine[] = [];
  const missing: Missing[] = [];
  for (const [name, open] of Object.entries(always)) others.push({ name, engine: await open() });
  for (const name of optional) {
    try {
      others.push({ name, engine: await openEagerEngine(name) });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // Only a package that was never installed is nobody's mistake; the two tfjs-node share one name within TF.js.
      if (!/is not installed|has already loaded/.test(reason)) throw error;
      const hint = name === 'tfjs-node' ? ' Or build it: tools/tfjs-node/build.mjs.' : '';
      missing.push({ name, reason: reason + hint });
    }
  }
  return { reference: await openEagerEngine('tfjs-cpu'), others, missing };
}
