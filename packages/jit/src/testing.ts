import '@tensorflow/tfjs-backend-cpu';
import '@dm/ops';
import type { Arrays, Engine, NdArray, Program, Tensors } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { openOnnxEngine } from './engine.js';
import { sizeOf } from './graph/graph.js';
import type { OnnxNode } from './onnx/proto.js';

/** A function of tensors that tests of lowerings run on the engine `onnx` and on TF.js's `cpu` backend. */
export type Fn = (inputs: Tensors) => tf.Tensor | tf.Tensor[];

/** A node of the standard domain with one output, for models that tests write themselves. */
export const onnxNode = (
  op: string,
  inputs: readonly string[],
  output: string,
  attrs: OnnxNode['attrs'] = {},
): OnnxNode => ({ op, domain: '', inputs, outputs: [output], attrs, name: op });

/** A float32 array with elements from -2 to 2, determined by the seed. */
export function floats(shape: readonly number[], seed = 1, scale = 2): NdArray {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const data = Float32Array.from({ length: sizeOf(shape) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) * scale;
  });
  return { dtype: 'float32', shape, data };
}

export const given = (values: readonly number[], shape: readonly number[] = [values.length]): NdArray => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
});

export const ints = (values: readonly number[], shape: readonly number[] = [values.length]): NdArray => ({
  dtype: 'int32',
  shape,
  data: Int32Array.from(values),
});

export const bools = (values: readonly number[], shape: readonly number[] = [values.length]): NdArray => ({
  dtype: 'bool',
  shape,
  data: Uint8Array.from(values),
});

export const asProgram =
  (fn: Fn): Program =>
  (_, inputs) => {
    const result = fn(inputs);
    const list = Array.isArray(result) ? result : [result];
    return { outputs: Object.fromEntries(list.map((t, i) => [`out${i}`, t])) };
  };

/**
 * Computes the gradient of a cosine-weighted sum of the outputs with respect to each float input. The weights give each
 * element a different gradient.
 */
export const withGradients =
  (fn: Fn): Program =>
  (_state, inputs) => {
    const names = Object.keys(inputs).filter((name) => inputs[name]!.dtype === 'float32');
    const total = (...tensors: tf.Tensor[]): tf.Scalar => {
      const all = { ...inputs, ...Object.fromEntries(names.map((name, i) => [name, tensors[i]!])) };
      const result = fn(all);
      const list = Array.isArray(result) ? result : [result];
      const sums = list.map((t) => {
        const weights = tf.tensor(
          Float32Array.from({ length: t.size }, (_, i) => Math.cos(i + 1)),
          t.shape,
        );
        return tf.sum(tf.mul(t, weights));
      });
      return sums.reduce((a, b) => tf.add(a, b)) as tf.Scalar;
    };
    const grads = tf.grads(total)(names.map((name) => inputs[name]!));
    return { outputs: Object.fromEntries(names.map((name, i) => [`d ${name}`, grads[i]!])) };
  };

export async function runOnnx(program: Program, inputs: Arrays, engine?: Engine): Promise<Arrays> {
  const own = engine ?? (await openOnnxEngine({ threads: 1 }));
  const compiled = own.compile(program);
  const handle = await compiled.load({});
  const outputs = await compiled.run(handle, inputs);
  await compiled.dispose();
  return outputs;
}

export async function runCpu(program: Program, inputs: Arrays): Promise<Arrays> {
  await tf.setBackend('cpu');
  return tf.tidy(() => {
    const tensors = Object.fromEntries(
      Object.entries(inputs).map(([name, a]) => [name, tf.tensor(a.data, [...a.shape], a.dtype)]),
    );
    const { outputs } = program({}, tensors);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, t]) => [
        name,
        { dtype: t.dtype as NdArray['dtype'], shape: t.shape, data: t.dataSync<'float32' | 'int32' | 'bool'>() },
      ]),
    );
  });
}

/** Options of `toBeAllClose`: `tolerance` is relative to the array's largest magnitude, but at least to 0.1. */
export const closeTo = (tolerance: number) => ({ rtol: tolerance, relativeTo: 'largest', floor: 0.1 }) as const;

/** Compares the results of `fn` on both engines and, with `grad`, its gradients with respect to each float input. */
export async function expectSame(
  fn: Fn,
  inputs: Arrays,
  { tolerance = 5e-6, grad = true }: { tolerance?: number; grad?: boolean } = {},
): Promise<void> {
  const programs = grad ? [asProgram(fn), withGradients(fn)] : [asProgram(fn)];
  for (const program of programs) {
    expect(await runOnnx(program, inputs)).toBeAllClose(await runCpu(program, inputs), closeTo(tolerance));
  }
}
