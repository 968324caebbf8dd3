import type { Arrays, Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import type { TensorSpecs } from '../graph/graph.js';
import type { Port } from '../graph/port.js';
import { optimize } from '../passes/pipeline.js';
import { floats, given, runOnnx } from '../testing.js';
import { trace } from '../trace/trace.js';
import { updateKernel } from './update-kernel.js';
import { wasmApi } from './wasm-api.js';

type Update = (begin: number, end: number, ...rest: number[]) => void;
const api = (globalThis as unknown as { WebAssembly: { Instance: new (...args: object[]) => { exports: object } } })
  .WebAssembly;

/** Runs a program's kernel on `state` in one shared memory and returns the new state. */
async function runKernel(program: Program, state: Arrays, inputs: Arrays): Promise<Arrays> {
  const specs = (arrays: Arrays): TensorSpecs => arrays;
  const kernel = updateKernel(optimize(trace(program, specs(state), specs(inputs))));
  const memory = new wasmApi.Memory({ initial: 1, maximum: 2 ** 16, shared: true });
  const module = await wasmApi.compile(kernel.bytes);
  const { update } = new api.Instance(module, { state: { memory } }).exports as { update: Update };
  const places = new Map(
    Object.entries(state).map(([name, { data }], i) => {
      const place = new Float32Array(memory.buffer, 1024 * i, data.length);
      place.set(data);
      return [name, place];
    }),
  );
  const addressOf = ({ name }: Port) => places.get(name)!.byteOffset;
  const addresses = [...kernel.reads, ...kernel.writes].map(addressOf);
  const scalars = kernel.scalars.map(({ name }) => inputs[name]!.data[0]!);
  const { byteLength } = places.values().next().value!;
  // In two parts, as with two threads.
  update(0, 32, ...addresses, ...scalars);
  update(32, byteLength, ...addresses, ...scalars);
  return Object.fromEntries(
    Object.entries(state).map(([name, array]) => [name, { ...array, data: places.get(name)!.slice() }]),
  );
}

const size = 24;
const special = [0, -0, NaN, Infinity, -Infinity, 1e-40, 3e38, -3e38, 1, -1];
const a = given([...special, ...floats([size - special.length], 1).data]);
const b = given([...floats([size - special.length], 2).data, ...special]);

describe('an operation of an update', () => {
  const operations: Record<string, (x: tf.Tensor, y: tf.Tensor) => tf.Tensor> = {
    abs: (x) => tf.abs(x),
    add: tf.add,
    maximum: tf.maximum,
    minimum: tf.minimum,
    mul: tf.mul,
    neg: (x) => tf.neg(x),
    div: tf.div,
    reciprocal: (x) => tf.reciprocal(x),
    rsqrt: (x) => tf.rsqrt(tf.abs(x)),
    sign: (x) => tf.sign(x),
    sqrt: (x) => tf.sqrt(x),
    square: (x) => tf.square(x),
    squaredDifference: tf.squaredDifference,
    sub: tf.sub,
  };

  it.each(Object.entries(operations))('%s is bit-identical to ONNX Runtime', async (_, operation) => {
    const { y } = await runOnnx((_state, { x, z }) => ({ outputs: { y: operation(x!, z!) } }), { x: a, z: b });
    const program: Program = ({ a: x, b: z }) => ({ state: { a: operation(x!, z!) }, outputs: {} });
    const found = (await runKernel(program, { a, b }, {}))['a']!;
    // NaN equals NaN here, and 0 is not -0.
    expect([...found.data]).toEqual([...y!.data]);
  });
});

describe('a kernel', () => {
  it('supports scalars that are inputs, computed from inputs, and constants', async () => {
    const inputs = { rate: given([0.3], []), decay: given([0.9], [1]) };
    const x = floats([size], 4);
    const program: Program = ({ x: old }, { rate, decay }) => {
      const scale = tf.mul(tf.minimum(rate!, 0.25), 3);
      return { state: { x: tf.add(tf.mul(old!, scale), tf.mul(tf.onesLike(old!), decay!)) }, outputs: {} };
    };
    const found = await runKernel(program, { x }, inputs);
    const f = Math.fround;
    const expected = Float32Array.from(x.data, (value) => f(f(value * f(0.25 * 3)) + f(0.9)));
    expect(found['x']!.data).toEqual(expected);
  });

  it('reads each element of all vectors before it writes one, so state may be swapped', async () => {
    const state = { x: floats([size], 1), y: floats([size], 2), z: floats([size], 3) };
    const program: Program = ({ x, y, z }) => ({ state: { x: y!, y: z!, z: tf.add(x!, y!) }, outputs: {} });
    const found = await runKernel(program, state, {});
    expect(found['x']!.data).toEqual(state.y.data);
    expect(found['y']!.data).toEqual(state.z.data);
    expect(found['z']!.data).toEqual(state.x.data.map((value, i) => Math.fround(value + state.y.data[i]!)));
  });

  it('refuses operations without an instruction, and other types', async () => {
    const state = { x: { dtype: 'float32', shape: [size] } } as const;
    const of = (program: Program, more: TensorSpecs = {}) =>
      updateKernel(optimize(trace(program, { ...state, ...more }, {})));
    expect(() => of(({ x }) => ({ state: { x: tf.tanh(x!) }, outputs: {} }))).toThrow(/^Tanh /);
    expect(() => of(() => ({ outputs: {} }), { n: { dtype: 'int32', shape: [] } })).toThrow(/float32.* int32$/);
    const table = () => tf.tensor1d(floats([size]).data as Float32Array);
    expect(() => of(({ x }) => ({ state: { x: tf.add(x!, table()) }, outputs: {} }))).toThrow('single float32');
  });
});
