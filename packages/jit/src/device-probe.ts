/** Checks that a device gives correct results for operations that some devices compute wrongly. */
import { conv2d, type Engine, float32, type NdArray, type Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { EngineError } from './errors.js';
import { type Device, deviceLabel } from './runtime/runtime.js';
import { unusableDevice } from './runtime/unusable-device.js';

const size = 6;
const [inChannels, outChannels, kernel, stride] = [2, 3, 3, 2] as const;
const parts = 20;

/**
 * The input gradient of a convolution with stride 2, padded only at the bottom and right, and a Split into more outputs
 * than a shader can write. The state is written too.
 */
const program: Program = ({ vector }, { x, filter, weights }) => {
  const pad = [
    [0, 1],
    [0, 1],
  ] as const;
  const loss = (image: tf.Tensor) => tf.sum(tf.mul(conv2d(image, filter!, { strides: stride, pad }), weights!));
  const slices = tf.split(vector!, parts);
  return {
    state: { vector: tf.mul(vector!, 2) },
    outputs: { dx: tf.grad(loss)(x!), sum: tf.addN(slices.map((slice, i) => tf.mul(slice, i + 1))) },
  };
};

/**
 * Runs the program on an engine of the device.
 * @throws {EngineError} `DEVICE_UNUSABLE` with the runtime's reason, or with the numbers if they are wrong
 */
export async function checkDevice(engine: Engine, device: Device, index?: number): Promise<void> {
  const out = size / stride;
  const x = waves([1, size, size, inChannels], 0.7);
  const filter = waves([kernel, kernel, inChannels, outChannels], 1.3);
  const weights = waves([1, out, out, outChannels], 1.9);
  const vector = waves([2 * parts], 0.3);
  const compiled = engine.compile(program, { name: 'device probe' });
  let found: Readonly<Record<string, ArrayLike<number>>>;
  try {
    const state = await compiled.load({ vector });
    const { dx, sum } = await compiled.run(state, { x, filter, weights });
    found = { dx: dx!.data, sum: sum!.data, vector: (await state.read())['vector']!.data };
    state.dispose();
  } catch (cause) {
    throw unusableDevice(device, cause, undefined, index);
  } finally {
    await compiled.dispose();
  }
  const expected = {
    dx: inputGradient(filter, weights),
    sum: [0, 1].map((i) => sumOver(parts, (part) => (part + 1) * vector.data[2 * part + i]!)),
    vector: Array.from(vector.data, (value) => 2 * value),
  };
  const few = (values: ArrayLike<number>) => Array.from(values).slice(0, 4).join(', ');
  const wrong = Object.entries(expected).find(
    // NaN is wrong too.
    ([name, values]) => !values.every((value, i) => Math.abs(value - found[name]![i]!) < 1e-3),
  );
  if (wrong === undefined) return;
  const [name, values] = wrong;
  throw new EngineError(
    'DEVICE_UNUSABLE',
    `The device "${deviceLabel(device, index)}" computes wrong numbers on this machine: ${name} begins with ${few(found[name]!)}, not ` +
      few(values),
  );
}

/** [1, size, size, inChannels], by definition: each product of the convolution is distributed back. */
function inputGradient(filter: NdArray, dy: NdArray): number[] {
  const dx = Array<number>(size * size * inChannels).fill(0);
  const out = size / stride;
  for (let row = 0; row < out; row++) {
    for (let column = 0; column < out; column++) {
      for (let tap = 0; tap < kernel * kernel; tap++) {
        const [h, w] = [row * stride + Math.floor(tap / kernel), column * stride + (tap % kernel)];
        if (h >= size || w >= size) continue;
        for (let i = 0; i < inChannels; i++) {
          dx[(h * size + w) * inChannels + i]! += sumOver(
            outChannels,
            (o) =>
              filter.data[(tap * inChannels + i) * outChannels + o]! * dy.data[(row * out + column) * outChannels + o]!,
          );
        }
      }
    }
  }
  return dx;
}

function sumOver(count: number, term: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += term(i);
  return sum;
}

/** Different values from -1 to 1. */
function waves(shape: readonly number[], frequency: number): NdArray {
  const length = shape.reduce((product, dim) => product * dim, 1);
  return float32(
    Float32Array.from({ length }, (_, i) => Math.sin((i + 1) * frequency)),
    shape,
  );
}
