/**
 * ONNX Runtime over its JavaScript API, the way of onnxruntime-web and, for devices besides the processor, of
 * onnxruntime-node. Outputs are copied twice: by the binding and into the engine's arrays.
 */
import type { NdArray } from '@dm/ops';
import type { InferenceSession, Tensor as OrtTensor, TypedTensor } from 'onnxruntime-common';
import { openCApiRuntime } from './c-api/runtime.js';
import { isNode } from './processors.js';
import { type Runtime, type RuntimeSessionOptions, DISABLED_OPTIMIZERS, SPIN_DURATION_US } from './runtime.js';
import { disableTelemetry, isTelemetryWanted } from './telemetry.js';

/** What onnxruntime-node and onnxruntime-web export, as far as it is used. */
export interface OnnxRuntimeModule {
  readonly InferenceSession: {
    create(model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: new (type: string, data: NdArray['data'], dims: readonly number[]) => OrtTensor;
}

/** A runtime out of such a module; `name` is what the engine says of it in its `info`. */
export function createJavaScriptRuntime({ InferenceSession, Tensor }: OnnxRuntimeModule, name: string): Runtime {
  return {
    name,
    // Node-API, which the binding reads arrays through, refuses those in shared memory.
    sharedArrays: false,
    async createSession(model, settings) {
      if (isNode) await silenceBinding();
      const session = await InferenceSession.create(model, sessionOptions(settings));
      return {
        bind(inputs, outputs) {
          // The binding reads the elements with each call.
          const feeds = Object.fromEntries(
            Object.entries(inputs).map(([key, { dtype, data, shape }]) => [key, new Tensor(dtype, data, shape)]),
          );
          const names = Object.keys(outputs);
          return async () => {
            const results = await session.run(feeds, names);
            for (const [key, { data }] of Object.entries(outputs)) {
              data.set((results[key] as TypedTensor<'float32' | 'int32' | 'bool'>).data);
            }
          };
        },
        async release() {
          if (settings.profilePrefix !== undefined) session.endProfiling();
          await session.release();
        },
      };
    },
  };
}

/** Switches the binding's telemetry off. It makes its environment with its first session. */
async function silenceBinding(): Promise<void> {
  await disableTelemetry();
  if (process.platform !== 'win32' || isTelemetryWanted()) return;
  try {
    await openCApiRuntime(); // it and the binding share the environment that the C API switches off
  } catch {
    // Without koffi, events stay subject to the system's own settings; the README tells.
  }
}

function sessionOptions({ device, threads, deviceOnly, profilePrefix }: RuntimeSessionOptions) {
  return {
    executionProviders: [device],
    executionMode: 'sequential',
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    // As in c-api/runtime.ts.
    enableMemPattern: false,
    extra: {
      // Measured on the processor only.
      ...(device === 'cpu' && { optimization: { disable_specified_optimizers: DISABLED_OPTIMIZERS } }),
      session: {
        intra_op: { allow_spinning: '1', spin_duration_us: String(SPIN_DURATION_US) },
        ...(deviceOnly === true && { disable_cpu_ep_fallback: '1' }),
      },
    },
    ...(threads !== undefined && { intraOpNumThreads: threads }),
    ...(profilePrefix !== undefined && { enableProfiling: true, profileFilePrefix: profilePrefix }),
  } satisfies InferenceSession.SessionOptions;
}
