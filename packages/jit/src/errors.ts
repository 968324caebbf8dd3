import { DmError, type DmErrorOptions } from '@dm/ops';
import { atCallSite } from './graph/call-site.js';
import type { KernelCall } from './graph/graph.js';

/** A function that cannot be compiled, or a program used against its contract. */
export class TraceError extends DmError<'TRACE_FAILED'> {
  override readonly name = 'TraceError';

  constructor(message: string, options: DmErrorOptions = {}) {
    super(message, { ...options, code: 'TRACE_FAILED' });
  }
}

/** What is thrown for a kernel without a lowering, or with attributes that have none (`reason`). */
export function unsupportedKernel({ op, inputs, inputNames, callSite }: KernelCall, reason?: string): TraceError {
  const shapes = inputs.map((v, i) => `${inputNames[i]} ${v.dtype} [${v.shape.join(', ')}]`).join(', ');
  const because = reason === undefined ? '' : `: ${reason}`;
  return new TraceError(
    `@dm/jit cannot compile the TF.js kernel ${op} (${shapes})${because}. Write it with ops from the FEATURES.md of ` +
      `@dm/jit, or run this program on an eager engine such as "tfjs-cpu".${atCallSite(callSite)}`,
  );
}

/** What `work` on a kernel returns; an error in it becomes one that names the kernel and the user's line. */
export function withKernelErrors<T>(call: KernelCall, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof TraceError) throw cause;
    throw unsupportedKernel(call, cause instanceof Error ? cause.message : String(cause));
  }
}
