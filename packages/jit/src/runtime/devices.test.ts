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

/** Checks a result of `device`, and returns undefined; or returns the error of an engine that does not start. */
async function attempt(device: Device): Promise<EngineError | undefined> {
  let engine: Engine;
  try {
    engine = await openOnnxEngine({ device, threads: 1 });
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  expect(engine.info['device']).toBe(device);
  expect(await runOnnx(program, inputs, engine)).toBeAllClose(
    await runCpu(program, inputs),
    closeTo(device === 'cpu' ? 5e-6 : 1e-3),
  );
  await engine.dispose();
  return undefined;
}

it('computes on the CPU', async () => {
  expect(await attempt('cpu')).toBeUndefined();
});

it.each(devices.filter((name) => name !== 'cpu'))(
  "computes on %s, or the error has the runtime's reason and the requirements",
  async (device) => {
    const error = await attempt(device);
    const reason = new RegExp(`"${device}".*: .{20,}\\. It needs `, 's');
    const isExplained = error === undefined || (error.code === 'DEVICE_UNUSABLE' && reason.test(error.message));
    expect(isExplained, error?.message).toBe(true);
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
    sharedArrays: false,
    async createSession(model) {
      const session = await runtime.createSession(model, { device: 'cpu' });
      return {
        ...session,
        bind(inputs, outputs) {
          const call = session.bind(inputs, outputs);
          return async () => {
            await call();
            outputs['out.dx']!.data[1] = 7;
          };
        },
      };
    },
  };
  await expect(openOnnxEngine({ device: 'cuda', runtime: wrong })).rejects.toMatchObject({
    code: 'DEVICE_UNUSABLE',
    message: expect.stringMatching(/"cuda".*dx.*, 7, /),
  });
});
