import { type Engine, groupNorm, type Program, silu } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { openOnnxEngine } from '../engine.js';
import { EngineError } from '../errors.js';
import { openCApiRuntime } from './c-api/runtime.js';
import { type Device, devices, type Runtime } from './runtime.js';
import { closeTo, floats, given, runCpu, runOnnx } from '../testing.js';

const program: Program = (_, { x, scale, offset }) => {
  const loss = (v: tf.Tensor) => tf.sum(silu(groupNorm(v, scale!, offset!, { groups: 2 })));
  return { outputs: { dx: tf.grad(loss)(x!) } };
};
const inputs = { x: floats([2, 4, 4, 4]), scale: given([1, 2, 3, 4]), offset: given([0, 1, 0, 1]) };

/** Checks a result of `device` if the engine starts on it; otherwise rejects with the engine's error. */
async function attempt(device: Device): Promise<void> {
  const engine: Engine = await openOnnxEngine({ device, threads: 1 });
  expect(engine.info['device']).toBe(device);
  expect(await runOnnx(program, inputs, engine)).toBeAllClose(
    await runCpu(program, inputs),
    closeTo(device === 'cpu' ? 5e-6 : 1e-3),
  );
  await engine.dispose();
}

it('computes on the CPU', () => attempt('cpu'));

it.each(devices.filter((name) => name !== 'cpu'))(
  "computes on %s, or the error has the runtime's reason and the requirements",
  async (device) => {
    try {
      await attempt(device);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      expect(error.code).toBe('DEVICE_UNUSABLE');
      expect(error.message).toMatch(new RegExp(`"${device}".*: .{20,}\\. It needs `, 's'));
    }
  },
);

it('refuses an unknown device, and a device with wrong results', async () => {
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
