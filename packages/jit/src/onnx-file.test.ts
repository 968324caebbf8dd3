import { conv2d, float32 } from '@dm/ops';
import type * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { EngineError } from './errors.js';
import { exportOnnx } from './export/export-onnx.js';
import { encodeModel, type OnnxModel } from './onnx/proto.js';
import { openOnnxFile } from './onnx-file.js';
import { closeTo, floats, given, ints, onnxNode, runCpu } from './testing.js';

/** y = the elements of x that differ from 0, [count]: a shape that depends on values; n = their doubled number. */
const nonZero: OnnxModel = {
  name: 'non-zero',
  nodes: [
    onnxNode('Cast', ['x'], 'isSet', { to: { int: 9 } }),
    onnxNode('Compress', ['x', 'isSet'], 'y'),
    onnxNode('Mul', ['n', 'two'], 'twice'),
  ],
  inputs: [
    { name: 'x', type: 'float32', dims: ['count'] },
    { name: 'n', type: 'int32', dims: [] },
    { name: 'two', type: 'int32', dims: [] },
  ],
  outputs: [
    { name: 'y', type: 'float32', dims: ['found'] },
    { name: 'twice', type: 'int32', dims: [] },
  ],
  // As in files of IR version 3, the input has a value, too.
  initializers: [{ name: 'two', type: 'int32', dims: [], raw: new Uint8Array(Int32Array.of(2).buffer) }],
  opsets: { '': 20 },
};

describe('a file', () => {
  it('has inputs and outputs with names, types and shapes, without those that it has values for', async () => {
    const file = await openOnnxFile(encodeModel(nonZero), { threads: 1 });
    expect(file.inputs).toEqual([
      { name: 'x', dtype: 'float32', shape: ['count'] },
      { name: 'n', dtype: 'int32', shape: [] },
    ]);
    expect(file.outputs).toEqual([
      { name: 'y', dtype: 'float32', shape: ['found'] },
      { name: 'twice', dtype: 'int32', shape: [] },
    ]);
    file.dispose();
  });

  it('returns the outputs that are asked for', async () => {
    const bool = [...nonZero.outputs, { name: 'isSet', type: 'bool' as const, dims: ['count'] }];
    const file = await openOnnxFile(encodeModel({ ...nonZero, outputs: bool }), { threads: 1 });
    const inputs = { x: given([3, 0]), n: ints([1], []) };
    expect(await file.run(inputs, ['twice'])).toEqual({ twice: ints([2], []) });
    await expect(file.run(inputs)).rejects.toThrow(RangeError);
    await expect(file.run(inputs, ['z'])).rejects.toThrow('z');
    file.dispose();
  });

  it('returns outputs whose shapes the values determine', async () => {
    const file = await openOnnxFile(encodeModel(nonZero), { threads: 1 });
    const run = (values: number[]) => file.run({ x: given(values), n: ints([values.length], []) });
    expect(await run([3, 0, -1, 0, 5])).toEqual({ y: given([3, -1, 5]), twice: ints([10], []) });
    expect(await Promise.all([run([0]), run([4, 4])])).toEqual([
      { y: given([]), twice: ints([2], []) },
      { y: given([4, 4]), twice: ints([4], []) },
    ]);
    file.dispose();
  });

  it('of exportOnnx computes what the program does', async () => {
    const w = floats([3, 3, 2, 4], 3);
    const convolved = (x: tf.Tensor, filter: tf.Tensor) => conv2d(x, filter);
    const bytes = exportOnnx((weights, { x }) => ({ outputs: { y: convolved(x!, weights['w']!) } }), {
      weights: { w },
      inputs: { x: { dtype: 'float32', shape: ['batch', 5, 5, 2] } },
    });
    const file = await openOnnxFile(bytes);
    const x = floats([3, 5, 5, 2]);
    const expected = await runCpu((_, all) => ({ outputs: { y: convolved(all['x']!, all['w']!) } }), { x, w });
    expect(await file.run({ x })).toBeAllClose(expected, closeTo(1e-5));
    file.dispose();
  });
});

describe('is refused:', () => {
  const failed = (contains: string) => ({ type: EngineError, code: 'RUNTIME_FAILED', contains });

  it('bytes that are no .onnx file', async () => {
    await expect(openOnnxFile(new TextEncoder().encode('not a model'))).rejects.toThrowWith(failed('rotobuf'));
  });

  it('inputs that are missing or have another shape', async () => {
    const file = await openOnnxFile(encodeModel(nonZero), { threads: 1 });
    await expect(file.run({ x: given([1]) })).rejects.toThrowWith(failed('n'));
    await expect(file.run({ x: float32([1, 2], [1, 2]), n: ints([1], []) })).rejects.toThrowWith(failed('x'));
    // The file can still be used.
    expect((await file.run({ x: given([1]), n: ints([1], []) }))['y']).toEqual(given([1]));
    file.dispose();
  });

  it('outputs of other types, by name', async () => {
    const wide = { ...nonZero, outputs: [{ name: 'isSet', type: 'bool' as const, dims: ['count'] }] };
    const file = await openOnnxFile(encodeModel(wide), { threads: 1 });
    await expect(file.run({ x: given([1]), n: ints([1], []) })).rejects.toThrowWith({
      type: RangeError,
      contains: ['isSet', 'bool'],
    });
    file.dispose();
  });
});
