import { rmSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { resolveConfig } from '../config/resolve.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';
import { withUpdates, profileStep, summarizeCalls } from './profile.js';
import { UserError } from '../errors.js';

it('sums a profile up by operator and by block, forwards and backwards', () => {
  const node = (op: string, scope: string, ms: number, flops = 0) => ({ name: '', op, scope, kernel: '', ms, flops });
  const call = {
    ms: 12,
    nodes: [
      node('Conv', 'down', 2, 4e8),
      node('Add', 'down', 1),
      node('Conv', 'gradient of down', 4, 8e8),
      node('Mul', '', 1),
    ],
  };
  const { steps, stepMs, total, ops, blocks } = summarizeCalls([call, { ...call, ms: 14 }], 400);
  expect({ steps, stepMs }).toEqual({ steps: 2, stepMs: 13 });
  // 1.2 GFLOP in 6 ms are 200 GFLOP/s, half of the best.
  expect(total).toEqual({ ms: 8, share: 1, gflop: 1.2, reached: 0.5 });
  expect(ops.map(({ op, calls, ms }) => [op, calls, ms])).toEqual([
    ['Conv', 2, 6],
    ['Add', 1, 1],
    ['Mul', 1, 1],
  ]);
  expect(ops[1]).toMatchObject({ share: 1 / 8, gflop: 0, reached: null });
  // On devices, the computation is not timed.
  expect(summarizeCalls([call], null).total).toEqual({ ms: 8, share: 1, gflop: 1.2, reached: null });
  expect(blocks.map(({ block, forwardMs, backwardMs }) => [block, forwardMs, backwardMs])).toEqual([
    ['down', 3, 4],
    ['', 1, 0],
  ]);
});

it('adds the kernel that updates the state to each call', () => {
  const node = { name: 'a', op: 'Conv', scope: 'down', kernel: '', ms: 9, flops: 0 };
  const call = { ms: 10, nodes: [node] };
  const kernel = { name: '', op: 'update kernel', scope: 'optimizer', kernel: '', ms: 2, flops: 0 };
  expect(withUpdates([call, call], [2, 0])).toEqual([{ ms: 12, nodes: [node, kernel] }, call]);
});

it('profiles the step of a configuration', async () => {
  const folder = await tinyFolder();
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const config = resolveConfig([{ source: 'test', value: { ...tinyConfig(folder, 2), engine: 'onnx', threads: 1 } }]);
  const { steps, ops, blocks, total, bestGflops, valuesPeakMb, copiedBytes } = await profileStep(config, 2);
  expect(copiedBytes).toBe(0);
  expect(steps).toBe(2);
  expect(bestGflops).toBeGreaterThan(0);
  expect(valuesPeakMb).toBeGreaterThan(0);
  expect(ops.map(({ op }) => op)).toEqual(expect.arrayContaining(['Conv', 'LayerNormalization']));
  expect(ops.reduce((share, op) => share + op.share, 0)).toBeCloseTo(1, 9);
  expect(blocks.reduce((ms, block) => ms + block.ms, 0)).toBeCloseTo(total.ms, 9);
  const block = blocks.find((b) => b.block === 'down_blocks.0.resnets.0')!;
  expect(block.forwardMs).toBeGreaterThan(0);
  expect(block.backwardMs).toBeGreaterThan(0);
  expect(blocks.map((b) => b.block)).toContain('optimizer');
  await expect(profileStep({ ...config, engine: 'tfjs-cpu' })).rejects.toThrowWith({
    type: UserError,
    code: 'ENGINE_UNSUITABLE',
    contains: ['onnx', 'tfjs-cpu'],
  });
});
