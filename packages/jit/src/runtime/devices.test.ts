import { type Engine, groupNorm, type Program, silu } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { openOnnxEngine } from '../engine.js';
import { openCApiRuntime } from './c-api/runtime.js';
import { type Device, devices, type Runtime } from './runtime.js';
import { closeTo, floats, given, runCpu, runOnnx } from '../testing.js';

const program: Program = (_, { x, scale, offset }) => {
  const loss = (v: tf.Tensor) => tf.sum(silu(groupNorm(v, scale!, offset!, { groups: 2 })));
  return { outputs: { dx: tf.grad(loss)(x!) } };
};
const inputs = { x: floats([2, 4, 4, 4]), scale: given([1, 2, 3, 4]), offset: given([0, 1, 0, 1]) };

/** `computes`, or why the engine does not start. */
async function attempt(device: Device): Promise<string> {
  let engine: Engine;
  try {
    engine = await openOnnxEngine({ device, threads: 1 });
  } catch (error) {
    return (error as Error).message;
  }
  expect(engine.info['device']).toBe(device);
  expect(await runOnnx(program, inputs, engine)).toBeAllClose(
    await runCpu(program, inputs),
    closeTo(device === 'cpu' ? 5e-6 : 1e-3),
  );
  await engine.dispose();
  return 'computes';
}

it('the processor computes; another device does too, or the message has the reason of the runtime and what is needed', async () => {
  expect(await attempt('cpu')).toBe('computes');
  for (const device of devices.filter((name) => name !== 'cpu')) {
    const reason = new RegExp(`^computes$|^The device "${device}" does not work .*: .{20,}\\. It needs `, 's');
    expect(await attempt(device)).toMatch(reason);
  }
});

it('refuses a device that no runtime has, and a runtime that computes wrong numbers on one', async () => {
  await expect(openOnnxEngine({ device: 'gpu' as 'cuda' })).rejects.toMatchObject({
    name: 'RangeError',
    message: expect.stringMatching(/"gpu".*cpu, webgpu, cuda/),
  });
  const runtime = await openCApiRuntime();
  const wrong: Runtime = {
    name: 'wrong',
    sharedArrays: true,
    async createSession(model) {
      const session = await runtime.createSession(model, { device: 'cpu' });
      return { ...session, bind: (inputs, outputs) => session.bind({ ...inputs, w: inputs['x']! }, outputs) };
    },
  };
  await expect(openOnnxEngine({ device: 'cuda', runtime: wrong })).rejects.toMatchObject({
    code: 'DEVICE_UNUSABLE',
    message: expect.stringMatching(/"cuda".* 5, 11, 11, 25\b/),
  });
});
