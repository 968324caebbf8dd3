import { readFileSync } from 'node:fs';
import { conv2d } from '@dm/ops';
import { trace, optimize } from '@dm/jit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { processor } from './processor.mjs';
import { withMeasured } from './roofline-results.mjs';
import { goalMs, withRooflineTable, type Roofline } from './roofline-table.mjs';
import { rooflineMs, workOfGraph } from './work.mjs';

const results = JSON.parse(readFileSync(new URL('results/roofline.json', import.meta.url), 'utf8')) as {
  machines: Roofline[];
};

it('docs/engine.md has the table of results/roofline.json', () => {
  const page = readFileSync(new URL('../../docs/engine.md', import.meta.url), 'utf8');
  expect(withRooflineTable(page, results)).toBe(page);
});

it('each time of results/roofline.json follows from work and rates', () => {
  for (const { machineRates, cases } of results.machines) {
    for (const one of cases) expect(rooflineMs(one, machineRates).rooflineMs).toBeCloseTo(one.rooflineMs, 1);
  }
});

it('keeps the results of another number of threads, and how each case was measured', () => {
  const rates = (gflops: number) => {
    const one = { products: { matmul: gflops }, copies: { 16: 10 } };
    return { dm: one, pytorch: one };
  };
  const measured = (name: string, load: number) => ({
    name,
    run: { cores: 2, rounds: 3, steps: 3, load },
    flops: 1e9,
    bytes: 1e9,
    dmMs: 200,
    dmMinMs: 190,
    pytorchMs: 220,
    pytorchMinMs: 210,
    othersBusy: 0,
  });
  const names = ['a', 'b'];
  const [one, two] = [1, 2].map((threads) => ({ cpu: 'x', threads })) as [Roofline['run'], Roofline['run']];
  let machines = withMeasured([], two, rates(20), [measured('a', 0.1), measured('b', 0.2)], names);
  machines = withMeasured(machines, one, rates(10), [measured('a', 0.3)], names);
  machines = withMeasured(machines, two, rates(5), [measured('b', 0.4)], names);
  const loads = (of: Roofline) => of.cases.map(({ name, run }) => `${name} ${run!.load}`);
  expect(machines.map((of) => [of.run, loads(of), of.machineRates.gflops])).toEqual([
    [two, ['a 0.1', 'b 0.4'], 20],
    [one, ['a 0.3'], 10],
  ]);
  expect(machines.map((of) => of.cases[0].rooflineMs)).toEqual([150, 200]);
});

it('names a processor with its model and vector width', () => {
  const text = (flags: string) =>
    `processor\t: 0\ncpu family\t: 6\nmodel\t\t: 167\nmodel name\t: Intel(R) Xeon(R) Processor\nflags\t\t: fpu ${flags}\n`;
  expect(processor(text('avx avx2 avx512f'), 'other')).toBe('Intel Xeon Processor (family 6, model 167, AVX-512)');
  expect(processor(text('avx avx2'))).toBe('Intel Xeon Processor (family 6, model 167, AVX2)');
  expect(processor('', 'Apple M1')).toBe('Apple M1');
});

// 2 x 3 x 5 x 4 multiply-adds, and relu reads and writes 2 x 4 floats.
it('counts the operations of a product and the traffic of an operator', () => {
  const graph = trace(
    (_, { a, b }) => ({ outputs: { y: tf.relu(tf.matMul(a, b)) } }),
    {},
    { a: { dtype: 'float32', shape: [2, 3] }, b: { dtype: 'float32', shape: [3, 4] } },
    'product',
  );
  expect(workOfGraph(optimize(graph))).toEqual({ flops: 2 * 2 * 3 * 4, bytes: 4 * 2 * 8 });
});

// A 3x3 convolution of 2 images of 4x4 from 3 to 5 channels has 2 x 16 x 9 x 3 x 5 multiply-adds in the forward pass
// and as many in each of its two gradients.
it('counts a convolution and its gradients', () => {
  const graph = trace(
    (_, { x, filter }) => {
      const [dx, df] = tf.grads((image, weights) =>
        tf.sum(tf.square(conv2d(image as tf.Tensor4D, weights as tf.Tensor4D))),
      )([x, filter]);
      return { outputs: { dx: dx, df: df } };
    },
    {},
    { x: { dtype: 'float32', shape: [2, 4, 4, 3] }, filter: { dtype: 'float32', shape: [3, 3, 3, 5] } },
    'convolution',
  );
  expect(workOfGraph(optimize(graph)).flops).toBe(3 * 2 * 2 * 16 * 9 * 3 * 5);
});

it('refuses a product that it cannot count', () => {
  const node = {
    op: 'DepthwiseConv2dNative',
    inputs: [],
    inputNames: [],
    attrs: {},
    outputs: [{ id: 0, shape: [], dtype: 'float32' }],
  };
  const graph = { name: 'g', inputs: [], nodes: [node], outputs: [] } as unknown as ReturnType<typeof trace>;
  expect(() => workOfGraph(graph)).toThrow('DepthwiseConv2dNative');
});

it('the goal is bounded by the roofline', () => {
  const one = results.machines[0].cases[0];
  expect(goalMs({ ...one, pytorchMs: 100, rooflineMs: 45 })).toBeCloseTo(67);
  expect(goalMs({ ...one, pytorchMs: 100, rooflineMs: 81 })).toBeCloseTo(90);
});
