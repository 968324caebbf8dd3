// The engines on which the tests of this folder run: engines that every installation has, and optional ones.
import { createJavaScriptRuntime, openOnnxEngine } from '@dm/jit';
import { openEagerEngine, type Engine } from '@dm/ops';

/** The engine `onnx` on platforms without a koffi binary. */
export const onnxByJavaScript = 'onnx by the JavaScript API';

/** Engines that are always compared with the reference `tfjs-cpu`. If one of them does not start, the tests fail. */
const always: Readonly<Record<string, () => Promise<Engine>>> = {
  'tfjs-wasm': () => openEagerEngine('tfjs-wasm'),
  onnx: () => openOnnxEngine(),
  [onnxByJavaScript]: async () =>
    openOnnxEngine({ runtime: createJavaScriptRuntime(await import('onnxruntime-node'), 'onnxruntime-node') }),
};
/**
 * Optional engines: compared if their package is installed, or if DM_TFJS_NODE points to a build of tools/tfjs-node.
 */
const optional = ['tfjs-node', 'tfjs-node-gpu', 'tfjs-webgpu'] as const;

export interface Missing {
  readonly name: string;
  /** Why it could not be opened. */
  readonly reason: string;
}

/** An engine and its name in test titles; the same engine may be opened in several ways. */
export interface NamedEngine {
  readonly name: string;
  readonly engine: Engine;
}

export interface Engines {
  readonly reference: Engine;
  readonly others: readonly NamedEngine[];
  readonly missing: readonly Missing[];
}

/** Starts all installed engines. Rejects if one that every installation has does not start. */
export async function startEngines(): Promise<Engines> {
  const others: NamedEngine[] = [];
  const missing: Missing[] = [];
  for (const [name, open] of Object.entries(always)) others.push({ name, engine: await open() });
  for (const name of optional) {
    try {
      others.push({ name, engine: await openEagerEngine(name) });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // Not an error if the package is not installed, or if the other tfjs-node was loaded before: TF.js allows only
      // one.
      if (!/is not installed|has already loaded/.test(reason)) throw error;
      const hint = name === 'tfjs-node' ? ' Or build it: tools/tfjs-node/build.mjs.' : '';
      missing.push({ name, reason: reason + hint });
    }
  }
  return { reference: await openEagerEngine('tfjs-cpu'), others, missing };
}
