import { scope, type Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { dumpFiles } from './dump.js';
import { openOnnxEngine } from '../engine.js';
import type { Compilation } from './observer.js';
import { floats } from '../testing.js';

it('contains the graph as text with shapes, attributes and scopes, and the compiled model', async () => {
  const compilations: Compilation[] = [];
  const engine = await openOnnxEngine({ threads: 1, observer: { compiled: (c) => void compilations.push(c) } });
  const program: Program = (_, { x }) => ({
    outputs: { y: scope('block', () => tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D, false, true)) },
  });
  const compiled = engine.compile(program, { name: 'my step/1' });
  const handle = await compiled.load({});
  const x = floats([2, 3]);
  const { y } = await compiled.run(handle, { x });
  const files = dumpFiles(compilations[0]!);
  expect(Object.keys(files)).toEqual(['my-step-1.onnx', 'my-step-1.txt']);
  expect((files['my-step-1.txt'] as string).split('\n')).toEqual([
    '%0: input "in.x" -> float32 [2, 3]',
    '%1: BatchMatMul(a %0, b %0) -> float32 [2, 2] {transposeA=false, transposeB=true}  # block',
    'output "out.y": %1',
    '',
  ]);

  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(files['my-step-1.onnx'] as Uint8Array);
  const results = await session.run({ 'in.x': new Tensor('float32', x.data as Float32Array, x.shape) });
  expect(results['out.y']!.data).toEqual(y!.data);
  await session.release();
  await engine.dispose();
});
