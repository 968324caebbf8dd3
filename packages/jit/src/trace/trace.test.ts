import '@tensorflow/tfjs-backend-cpu';
import type { Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { tfjsKernels } from './kernel-names.js';
import { trace } from './trace.js';

const double: Program = (_state, { x }) => ({ outputs: { y: tf.mul(x!, 2) } });
const traceOps = () => trace(double, {}, { x: { dtype: 'float32', shape: [2] } }).nodes.map(({ op }) => op);

describe('the TF.js backend after a trace', () => {
  it('is the one before', async () => {
    await tf.setBackend('cpu');
    expect(traceOps()).toContain('Multiply');
    expect(tf.getBackend()).toBe('cpu');
    expect(tf.mul([1, 2], 3).dataSync()).toEqual(new Float32Array([3, 6]));
  });

  it('is chosen by TF.js if none was chosen before', () => {
    tf.engine().reset();
    expect(traceOps()).toContain('Multiply');
    expect(tf.getBackend() ?? undefined).toBeUndefined();
    expect(tf.mul([1, 2], 3).dataSync()).toEqual(new Float32Array([3, 6]));
    expect(tf.getBackend()).toBe('cpu');
    expect(traceOps()).toContain('Multiply');
  });
});

it('knows all kernels that TF.js exports', () => {
  const exported = Object.entries(tf).filter(([key, value]) => /^[_A-Z]/.test(key) && key === value);
  expect(exported.map(([key]) => key).toSorted()).toEqual([...tfjsKernels].toSorted());
});
