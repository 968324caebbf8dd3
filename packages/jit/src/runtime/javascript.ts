/**
 * ONNX Runtime over its JavaScript API, used for onnxruntime-web, and for onnxruntime-node on the CPU if
 * the C API is unavailable. Outputs are copied twice: by the binding, and into the engine's arrays.
 */
import type { NdArray } from '@dm/ops';
import type { InferenceSession, Tensor as OrtTensor, TypedTensor } from 'onnxruntime-common';
import {
  DISABLED_DEVICE_OPTIMIZERS,
  DISABLED_OPTIMIZERS,
  type Runtime,
  type RuntimeSessionOptions,
  SPIN_DURATION_US,
} from './runtime.js';

/** The exports of onnxruntime-node and onnxruntime-web that are used. */
export interface OnnxRuntimeModule {
  readonly InferenceSession: {
    create(model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: new (type: string, data: NdArray['data'], dims: readonly number[]) => OrtTensor;
  readonly env?: {
    readonly versions?: { readonly node?: string; readonly web?: string; readonly common?: string };
    /** onnxruntime-web starts so many threads with its first session. */
    readonly wasm?: { numThreads?: number };
    readonly webgpu?: { readonly device?: unknown };
  };
}

/** The version of a module. */
export function moduleVersion({ env }: OnnxRuntimeModule): string {
  const versions = env?.versions ?? {};
  return versions.node ?? versions.web ?? versions.common ?? 'of unknown version';
}

/**
 * Creates a runtime from such a module; `name` is shown in the engine's `info`. `prepare` is awaited before each session
 * is created.
 */
export function javaScriptRuntime(
  { InferenceSession, Tensor }: OnnxRuntimeModule,
  name: string,
  prepare?: () => Promise<void>,
): Runtime {
  return {
    name,
    // Node-API, through which the binding reads arrays, does not accept shared memory.
    sharedArrays: false,
    async createSession(model, settings) {
      await prepare?.();
      const session = await InferenceSession.create(model, sessionOptions(settings));
      return {
        bind(inputs, outputs) {
          // The binding reads the elements on each call.
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

const LOG_FATAL = 4;

/** The session options of onnxruntime-node and onnxruntime-web. */
export function sessionOptions({ device, threads, deviceOnly, profilePrefix }: RuntimeSessionOptions) {
  return {
    executionProviders: [device],
    executionMode: 'sequential',
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    // Errors are thrown. The library would also print them, in color and bypassing the program's output.
    logSeverityLevel: LOG_FATAL,
    // For the reason given in c-api/runtime.ts.
    enableMemPattern: false,
    extra: {
      optimization: {
        disable_specified_optimizers: device === 'cpu' ? DISABLED_OPTIMIZERS : DISABLED_DEVICE_OPTIMIZERS,
      },
      session: {
        intra_op: { allow_spinning: '1', spin_duration_us: String(SPIN_DURATION_US) },
        ...(deviceOnly === true && { disable_cpu_ep_fallback: '1' }),
      },
    },
    ...(threads !== undefined && { intraOpNumThreads: threads }),
    ...(profilePrefix !== undefined && { enableProfiling: true, profileFilePrefix: profilePrefix }),
  } satisfies InferenceSession.SessionOptions;
}
