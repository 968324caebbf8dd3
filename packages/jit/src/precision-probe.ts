/** Checks in which precisions a device can compute products. */
import { autocast, conv2d, type Engine, float32, type Precision, type Program, type Tensors } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { EngineError } from './errors.js';
import { type Device, deviceLabel } from './runtime/runtime.js';

/** The CPU computes in float32 only, even if the runtime has kernels for float16: it would not be faster. */
export async function checkCpuPrecision(precision: Precision): Promise<void> {
  if (precision.endsWith('emulated')) return;
  throw unsupported('cpu', precision, `it computes in float32 only. "${precision}-emulated" rounds to the same type`);
}

/**
 * Returns a check that computes a few products in a precision on `engine`, once per precision. `engine` must not check
 * precisions itself.
 */
export function precisionChecker(
  engine: Engine,
  device: Device,
  index?: number,
): (precision: Precision) => Promise<void> {
  const checks = new Map<Precision, Promise<void>>();
  if (device === 'cpu') return checkCpuPrecision;
  return (precision) => {
    const check = checks.get(precision) ?? probe(engine, device, index, precision);
    checks.set(precision, check);
    // The next program tries again: the device may have failed for another reason.
    check.catch(() => checks.delete(precision));
    return check;
  };
}

/** Failures that do not show whether the device has the precision. */
const otherFailures: ReadonlySet<string> = new Set(['DEVICE_FAILED', 'DISPOSED', 'MEMORY_EXHAUSTED']);

async function probe(engine: Engine, device: Device, index: number | undefined, precision: Precision): Promise<void> {
  const label = deviceLabel(device, index);
  if (device === 'webgpu' && precision.startsWith('bf16')) {
    throw unsupported(label, precision, 'WebGPU has no bfloat16; "f16" may be possible');
  }
  const compiled = engine.compile(products(precision), { name: `probe of ${precision}` });
  let outputs: Readonly<Record<string, { readonly data: ArrayLike<number> }>>;
  try {
    const state = await compiled.load({});
    outputs = await compiled.run(state, { x: integers([1, 4, 4, 2]), w: integers([3, 3, 2, 2]) });
    state.dispose();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const lacksHalf = message.includes('requires f16 but the device does not support it');
    if (!lacksHalf && cause instanceof EngineError && otherFailures.has(cause.code)) throw cause;
    throw unsupported(label, precision, lacksHalf ? 'it lacks the feature shader-f16' : message, cause);
  } finally {
    await compiled.dispose();
  }
  if (outputs['difference']!.data[0] !== 0) throw unsupported(label, precision, 'its results are wrong');
}

/**
 * The difference of a convolution with stride 2 and its gradients, in `precision` and in float32. All values are small
 * integers, which each type represents exactly.
 */
const products =
  (precision: Precision): Program =>
  (_state, { x, w }: Tensors) => {
    const results = (type: Precision): tf.Tensor[] => {
      const product = (...[image, filter]: tf.Tensor[]) =>
        tf.sum(tf.square(autocast(type, () => conv2d(image!, filter!, { strides: 2, pad: 1 }))));
      return tf.grads(product)([x!, w!]);
    };
    const wanted = results('f32');
    const differences = results(precision).map((result, i) => tf.sum(tf.abs(tf.sub(result, wanted[i]!))));
    return { outputs: { difference: tf.addN(differences) } };
  };

/** -1, 0, 1, -1, ... */
function integers(shape: readonly number[]): ReturnType<typeof float32> {
  const length = shape.reduce((product, dim) => product * dim, 1);
  return float32(
    Float32Array.from({ length }, (_, i) => (i % 3) - 1),
    shape,
  );
}

function unsupported(device: string, precision: Precision, reason: string, cause?: unknown): EngineError {
  return new EngineError(
    'DEVICE_UNSUPPORTED',
    `The device "${device}" cannot compute products in ${precision} on this machine: ${reason.replace(/\.$/, '')}. ` +
      'Use the precision "f32".',
    { cause },
  );
}
