import { DmError, type DmErrorOptions } from '@dm/ops';
import { atCallSite } from './graph/call-site.js';
import type { KernelCall } from './graph/graph.js';

/** Thrown if a function cannot be compiled, or a program is used against its contract. */
export class TraceError extends DmError<'TRACE_FAILED'> {
  override readonly name = 'TraceError';

  constructor(message: string, options: DmErrorOptions = {}) {
    super(message, { ...options, code: 'TRACE_FAILED' });
  }
}

/**
 * Codes of `EngineError`:
 * - `RUNTIME_MISSING`: ONNX Runtime is not installed, or its library cannot be loaded.
 * - `RUNTIME_FAILED`: ONNX Runtime refused a graph or settings, or failed in a call, or a graph is too large for it.
 * - `THREADS_UNAVAILABLE`: a page in a browser cannot have that many threads.
 * - `DEVICE_UNUSABLE`: the device does not work on this machine.
 * - `DEVICE_UNSUPPORTED`: the device lacks an operator that a program needs.
 * - `DEVICE_FAILED`: a computation or copy on the device failed, for example since the device was lost.
 * - `DISPOSED`: the engine, the program, or the state handle has been disposed of.
 * - `STATE_BUSY`: a program is running on the state handle.
 * - `STATE_MISMATCH`: the state handle belongs to another engine, or does not have such an entry.
 * - `STATE_LOST`: an update failed while it was overwriting the state.
 * - `MEMORY_EXHAUSTED`: not enough memory for the state, or on a device for any tensor.
 */
export type EngineErrorCode =
  | 'RUNTIME_MISSING'
  | 'RUNTIME_FAILED'
  | 'THREADS_UNAVAILABLE'
  | 'DEVICE_UNUSABLE'
  | 'DEVICE_UNSUPPORTED'
  | 'DEVICE_FAILED'
  | 'DISPOSED'
  | 'STATE_BUSY'
  | 'STATE_MISMATCH'
  | 'STATE_LOST'
  | 'MEMORY_EXHAUSTED';

/** Thrown if the engine `onnx` cannot do something, or can no longer do it. */
export class EngineError extends DmError<EngineErrorCode> {
  override readonly name = 'EngineError';

  constructor(code: EngineErrorCode, message: string, options: Pick<DmErrorOptions, 'cause'> = {}) {
    super(message, { ...options, code });
  }
}

/** The error for a kernel without a lowering, or with attributes that have none (`reason`). */
export function unsupportedKernel({ op, inputs, inputNames, callSite }: KernelCall, reason?: string): TraceError {
  const shapes = inputs.map((v, i) => `${inputNames[i]} ${v.dtype} [${v.shape.join(', ')}]`).join(', ');
  const because = reason === undefined ? '' : `: ${reason}`;
  return new TraceError(
    `@dm/jit cannot compile the TF.js kernel ${op} (${shapes})${because}. Write it with ops from the FEATURES.md of ` +
      `@dm/jit, or run this program on an eager engine such as "tfjs-cpu".${atCallSite(callSite)}`,
  );
}

/** Runs `work` on a kernel; an error in it is rethrown with the kernel's name and the user's line. */
export function withKernelErrors<T>(call: KernelCall, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof TraceError) throw cause;
    throw unsupportedKernel(call, cause instanceof Error ? cause.message : String(cause));
  }
}
