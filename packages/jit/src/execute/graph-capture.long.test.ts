/** Graph capture on a device, if there is one: the bits of runs that are not captured, whatever happens to the state. */
import { conv2d, type Arrays, type Engine, groupNorm, type Program, silu } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest';
import { openOnnxEngine } from '../engine.js';
import { floats, given } from '../testing.js';
import { skipLoudly } from '../runtime/testing/index.js';

const size = 3 * 3 * 4 * 4;

/** A step of momentum SGD through a convolution, a group norm, and SiLU; counts if the loss is finite. */
const step: Program = ({ w, m }, { x, scale }) => {
  const loss = (parameters: tf.Tensor) => {
    const filter = tf.reshape<tf.Rank.R4>(tf.slice(parameters, [0], [size]), [3, 3, 4, 4]);
    const ones = tf.ones<tf.Rank.R1>([4]);
    const y = silu(groupNorm(conv2d(x!, filter, { pad: 'same' }), ones, tf.zeros<tf.Rank.R1>([4]), { groups: 2 }));
    return tf.mul(tf.mean(tf.square(tf.sub(y, x!))), tf.reshape(scale!, []));
  };
  const { value, grad } = tf.valueAndGrad(loss)(w!);
  const next = tf.add(tf.mul(m!, 0.9), grad);
  return { state: { w: tf.sub(w!, tf.mul(next, 0.1)), m: next }, outputs: { loss: value } };
};

const image = (i: number, batch = 2) => {
  const { shape, data } = floats([batch, 6, 6, 4]);
  return given(
    Array.from(data, (value) => value * (1 + i / 8)),
    shape,
  );
};
const start = (): Arrays => ({ w: floats([size]), m: given(Array<number>(size).fill(0), [size]) });

/** Losses and final states of `handles` states: batch sizes differ, one step does not count, the state is read and written. */
async function train(engine: Engine, handles: number): Promise<unknown[]> {
  const program = engine.compile(step, { name: 'captured', commitIfFinite: ['loss'] });
  const results: unknown[] = [];
  for (let h = 0; h < handles; h++) {
    const state = await program.load(start());
    for (let i = 0; i < 7; i++) {
      const scale = given([i === 3 ? Infinity : 1 + h / 8], [1]);
      const { loss } = await program.run(state, { x: image(i, i === 5 ? 1 : 2), scale });
      results.push(loss!.data[0]);
      if (i === 4) await state.write({ w: (await state.read(['w']))['w']!, m: start()['m']! });
    }
    const { w, m } = await state.read();
    results.push([...w!.data], [...m!.data]);
    state.dispose();
  }
  await program.dispose();
  return results;
}

let plain: Engine | undefined;
let captured: Engine;
let reason = '';
beforeAll(async () => {
  try {
    plain = await openOnnxEngine({ device: 'webgpu', threads: 1 });
  } catch (error) {
    if ((error as { code?: string }).code !== 'DEVICE_UNUSABLE') throw error;
    reason = (error as Error).message;
    return;
  }
  captured = await openOnnxEngine({ device: 'webgpu', threads: 1, graphCapture: true });
});
afterAll(async () => {
  if (plain === undefined) return;
  await plain.dispose();
  await captured.dispose();
});

const onDevice = (test: (plain: Engine) => Promise<void>) => async (context: TestContext) => {
  if (plain === undefined) return skipLoudly(context.skip, reason);
  await test(plain);
};

it(
  'has the bits of an uncaptured run, with a skipped step, two batch sizes, and more handles than a session has ids for',
  { timeout: 240_000 },
  onDevice(async (other) => {
    expect(captured.info['graphCapture']).toBe(true);
    const expected = await train(other, 10);
    expect(expected[3]).toBe(Infinity);
    expect(new Set(expected.slice(0, 7)).size).toBe(7);
    expect(await train(captured, 10)).toEqual(expected);
  }),
);
