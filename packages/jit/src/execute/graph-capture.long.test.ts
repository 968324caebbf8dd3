/** Graph capture on a device, if there is one: the bits of runs that are not captured, whatever happens to the state. */
import { opCaseInputs, opCaseProgram, opCases } from '@dm/ops/testing';
import { conv2d, type Arrays, type Engine, groupNorm, type Program, silu } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest';
import { openOnnxEngine } from '../engine.js';
import { asProgram, type Fn, floats, given, ints } from '../testing.js';
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

/** Outputs of a run that comes after one with other inputs, which is the one that is captured. */
async function later(engine: Engine, program: Program, inputs: Arrays): Promise<Arrays> {
  const compiled = engine.compile(program);
  const state = await compiled.load({});
  const others = Object.entries(inputs).map(([name, { dtype, shape, data }]) => {
    const changed = dtype === 'float32' ? Float32Array.from(data, (value) => 0.5 - value / 3) : data.toReversed();
    return [name, { dtype, shape, data: changed }] as const;
  });
  await compiled.run(state, Object.fromEntries(others) as Arrays);
  const outputs = await compiled.run(state, inputs);
  state.dispose();
  await compiled.dispose();
  return outputs;
}

const x = floats([3, 4]);
/** Graphs whose outputs or whose nodes the runtime could compute by copying, which it does not capture. */
const copies: Readonly<Record<string, { readonly fn: Fn; readonly inputs: Arrays }>> = {
  'a reshaped result': { fn: ({ x }) => tf.reshape(tf.matMul(x!, tf.transpose(x!)), [9]), inputs: { x } },
  'a reshaped input': { fn: ({ x }) => tf.reshape(x!, [2, 6]), inputs: { x } },
  'an input': { fn: ({ x }) => x!, inputs: { x } },
  'one result three times': { fn: ({ x }) => [tf.exp(x!), tf.exp(x!), tf.exp(x!)], inputs: { x } },
  'an input three times': { fn: ({ x }) => [x!, x!, x!], inputs: { x } },
  'a reshaped result twice': {
    fn: ({ x }) => [tf.reshape(tf.exp(x!), [12]), tf.reshape(tf.exp(x!), [12])],
    inputs: { x },
  },
  'a result and its shape': {
    fn: ({ x }) => {
      const y = tf.exp(x!);
      return [y, tf.reshape(y, [12])];
    },
    inputs: { x },
  },
  'integers, reshaped': { fn: ({ x }) => tf.reshape(x!, [2, 2]), inputs: { x: ints([1, 2, 3, 4]) } },
  booleans: { fn: ({ x }) => tf.greater(x!, 0), inputs: { x } },
  'booleans, reshaped': { fn: ({ x }) => tf.reshape(tf.greater(x!, 0), [12]), inputs: { x } },
  'booleans twice': {
    fn: ({ x }) => [tf.less(x!, 0), tf.less(x!, 0)],
    inputs: { x },
  },
  'a slice of everything': { fn: ({ x }) => tf.slice(x!, [0, 0], [3, 4]), inputs: { x } },
  'a pad by nothing': {
    fn: ({ x }) =>
      tf.pad(x!, [
        [0, 0],
        [0, 0],
      ]),
    inputs: { x },
  },
  'a tile of one': { fn: ({ x }) => tf.tile(x!, [1, 1]), inputs: { x } },
  'a concatenation of one': { fn: ({ x }) => tf.concat([x!], 0), inputs: { x } },
  'a transposition of one axis': { fn: ({ x }) => tf.transpose(x!, [0]), inputs: { x: floats([5]) } },
  'a sum over one element': { fn: ({ x }) => tf.sum(x!, 1), inputs: { x: floats([5, 1]) } },
};

it('writes a constant into each buffer of the state, again after others wrote there', async ({ skip }) => {
  if (plain === undefined) return skipLoudly(skip, reason);
  const program: Program = (_, { x: input }) => ({
    state: { w: tf.fill([4], 7) },
    outputs: { c: tf.fill([2], 3), y: tf.exp(input!) },
  });
  const compiled = captured.compile(program);
  const state = await compiled.load({ w: given([0, 0, 0, 0]) });
  for (let i = 0; i < 6; i++) {
    const { c } = await compiled.run(state, { x });
    expect([...c!.data]).toEqual([3, 3]);
    expect([...(await state.read())['w']!.data]).toEqual([7, 7, 7, 7]);
    await state.write({ w: given([i, i, i, i]) });
  }
  state.dispose();
  await compiled.dispose();
});

it.for(Object.entries(copies))('captures %s', async ([, { fn, inputs }], { skip }) => {
  if (plain === undefined) return skipLoudly(skip, reason);
  const program = asProgram(fn);
  expect(await later(captured, program, inputs)).toEqual(await later(plain, program, inputs));
});

it.for(opCases)('captures $name, and its gradients', async (opCase, { skip }) => {
  if (plain === undefined) return skipLoudly(skip, reason);
  const [program, inputs] = [opCaseProgram(opCase), opCaseInputs(opCase)];
  expect(await later(captured, program, inputs)).toEqual(await later(plain, program, inputs));
});
