import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { conv2d, type Program, remat, silu, type Tensors } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it, onTestFinished } from 'vitest';
import { lowerGraph } from './lower-graph.js';
import { openOnnxEngine } from '../engine.js';
import { optimize } from '../passes/pipeline.js';
import { parseProfile } from '../inspect/profile.js';
import { closeTo, floats, runCpu, runOnnx } from '../testing.js';
import { trace } from '../trace/trace.js';

const blocks = 6;
const shape = [2, 16, 16, 4];
const inputs = { x: floats(shape), filter: floats([3, 3, 4, 4], 2, 0.3), bias: floats([4], 3) };

/** Gradients of a chain of blocks whose gradients need intermediate values. */
const chain =
  (again: boolean): Program =>
  (_, given) => {
    const block = ([x]: tf.Tensor[], { filter, bias }: Tensors) => {
      let h = x!;
      for (let i = 0; i < 4; i++) h = silu(tf.mul(h, 1.1));
      return tf.add(x!, conv2d(h, filter!, { bias: bias! }));
    };
    const loss = (x: tf.Tensor, filter: tf.Tensor, bias: tf.Tensor): tf.Scalar => {
      let y = x;
      for (let i = 0; i < blocks; i++) {
        y = again ? remat(block, [y], { filter, bias }) : block([y], { filter, bias });
      }
      return tf.mean(tf.sin(y));
    };
    const { value, grads } = tf.valueAndGrads(loss)([given['x']!, given['filter']!, given['bias']!]);
    return { outputs: { value, dx: grads[0]!, dfilter: grads[1]!, dbias: grads[2]! } };
  };

it('gives the same gradients as without it, compiled and eager', async () => {
  const plain = await runOnnx(chain(false), inputs);
  expect(await runOnnx(chain(true), inputs)).toBeAllClose(plain, closeTo(1e-6));
  expect(await runOnnx(chain(true), inputs)).toBeAllClose(await runCpu(chain(true), inputs), closeTo(1e-4));
});

it('is not merged with the first run by the passes', () => {
  const count = (again: boolean) => {
    const specs = Object.fromEntries(
      Object.entries(inputs).map(([name, { dtype, shape: s }]) => [name, { dtype, shape: s }]),
    );
    const { nodes } = lowerGraph(optimize(trace(chain(again), {}, specs)));
    return nodes.filter(({ name }) => name.startsWith('DmSilu/')).length;
  };
  expect(count(true)).toBe(2 * count(false));
});

it('reduces memory for intermediate values, so the runtime does not merge it either', async () => {
  const peak = async (again: boolean): Promise<number> => {
    const folder = mkdtempSync(join(tmpdir(), 'dm-remat-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const engine = await openOnnxEngine({ threads: 1, profilePrefix: join(folder, 'session') });
    await runOnnx(chain(again), { ...inputs, x: floats([4, 64, 64, 4]) }, engine);
    await engine.dispose();
    return parseProfile(readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8')).valuesPeakMb;
  };
  // Each block saves five values of 256 KiB, or one.
  expect(await peak(true)).toBeLessThan(0.7 * (await peak(false)));
});
