/** Many engines, and many steps of one, in a device's memory: memory must not grow, and the process must not crash. */
import type { Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { openOnnxEngine } from '../engine.js';
import { openDeviceRuntime } from '../runtime/c-api/device.js';
import type { Device } from '../runtime/runtime.js';
import { skipLoudly } from '../runtime/testing/index.js';
import { given } from '../testing.js';

const size = 2 ** 15;
const ones = () => given(Array<number>(size).fill(1), [size]);

const step: Program = ({ w, m }, { by }) => {
  const next = tf.mul(m!, by!);
  return { state: { w: tf.add(w!, next), m: next }, outputs: { sum: tf.sum(next) } };
};

async function cycle(device: Device, steps: number): Promise<void> {
  const engine = await openOnnxEngine({ device, threads: 1, runtime: await openDeviceRuntime(device) });
  try {
    const program = engine.compile(step, { name: 'cycle', commitIfFinite: ['sum'] });
    const state = await program.load({ w: ones(), m: ones() });
    for (let i = 0; i < steps; i++) {
      const { sum } = await program.run(state, { by: given([1], []) });
      if (sum!.data[0] !== size) throw new Error(`step ${i} gave ${sum!.data[0]}, not ${size}`);
    }
    const { w } = await state.read(['w']);
    if (w!.data[size - 1] !== steps + 1) throw new Error(`w is ${w!.data[size - 1]}, not ${steps + 1}`);
    state.dispose();
    await program.dispose();
  } finally {
    await engine.dispose();
  }
}

const residentMib = () => process.memoryUsage.rss() / 2 ** 20;

/** Growth of the process over the second half of `count` calls, MiB. */
async function growth(count: number, call: () => Promise<void>): Promise<number> {
  for (let i = 0; i < count / 2; i++) await call();
  const before = residentMib();
  for (let i = count / 2; i < count; i++) await call();
  return residentMib() - before;
}

describe('opening, stepping, and closing', () => {
  it('1,000 engines in the memory of cpu', async () => {
    const grown = await growth(1000, () => cycle('cpu', 1));
    expect(grown).toBeLessThan(20);
  });

  it('30 engines on webgpu', async ({ skip }) => {
    try {
      await cycle('webgpu', 1);
    } catch (error) {
      if ((error as { code?: string }).code !== 'DEVICE_UNUSABLE') throw error;
      return skipLoudly(skip, (error as Error).message);
    }
    const grown = await growth(30, () => cycle('webgpu', 1));
    expect(grown).toBeLessThan(60);
  });
});

it('3,000 steps in the memory of cpu, by two engines', async () => {
  const grown = await growth(2, () => cycle('cpu', 1500));
  expect(grown).toBeLessThan(20);
});
