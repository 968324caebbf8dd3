import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { conv2d, type Program, scope } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it, onTestFinished } from 'vitest';
import { openOnnxEngine } from '../engine.js';
import { flopsOf, parseProfile } from './profile.js';
import { floats } from '../testing.js';

it('counts the operations of matrix products and convolutions from their shapes', () => {
  // 3x3 convolution of 5 to 7 channels, 2 images of 8x6: 2 * 2 * 8 * 6 * 7 * 5 * 9.
  expect(flopsOf('Conv', [[2, 5, 8, 6], [7, 5, 3, 3], [7]], [[2, 7, 8, 6]])).toBe(60480);
  // Its input gradient at stride 2: the filter is applied at each of the 4x3 positions of dy.
  expect(
    flopsOf(
      'ConvTranspose',
      [
        [2, 7, 4, 3],
        [7, 5, 3, 3],
      ],
      [[2, 5, 8, 6]],
    ),
  ).toBe(2 * 2 * 4 * 3 * 7 * 5 * 9);
  expect(
    flopsOf(
      'MatMul',
      [
        [3, 4],
        [4, 5],
      ],
      [[3, 5]],
    ),
  ).toBe(2 * 3 * 4 * 5);
  expect(
    flopsOf(
      'FusedMatMul',
      [
        [2, 4, 3],
        [2, 4, 5],
      ],
      [[2, 3, 5]],
    ),
  ).toBe(2 * 2 * 3 * 4 * 5);
  expect(flopsOf('Gemm', [[3, 4], [4, 5], [5]], [[3, 5]])).toBe(2 * 3 * 4 * 5);
  expect(
    flopsOf(
      'Add',
      [
        [3, 4],
        [3, 4],
      ],
      [[3, 4]],
    ),
  ).toBe(0);
});

it('has each node of each call, with its scope and kernel', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dm-profile-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const program: Program = (_, { x, w }) => {
    const loss = (filter: tf.Tensor) => tf.sum(scope('layer', () => conv2d(x!, filter)));
    return { outputs: { d: tf.grad(loss)(w!), y: loss(w!) } };
  };
  const engine = await openOnnxEngine({ threads: 1, convolutions: 'plain', profilePrefix: join(folder, 'session') });
  const compiled = engine.compile(program);
  const handle = await compiled.load({});
  for (let i = 0; i < 2; i++) await compiled.run(handle, { x: floats([2, 8, 8, 3]), w: floats([3, 3, 3, 4]) });
  await engine.dispose();

  const files = readdirSync(folder);
  expect(files).toHaveLength(1);
  const { calls, valuesPeakMb } = parseProfile(readFileSync(join(folder, files[0]!), 'utf8'));
  expect(calls).toHaveLength(2);
  expect(valuesPeakMb).toBeGreaterThan(0);
  for (const { ms, nodes } of calls) {
    const sum = nodes.reduce((total, node) => total + node.ms, 0);
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThanOrEqual(ms);
    const conv = nodes.find(({ op }) => op === 'Conv')!;
    expect(conv).toMatchObject({ scope: 'layer', kernel: 'DmConv2D', flops: 2 * 2 * 64 * 4 * 3 * 9 });
    expect(nodes.map((node) => node.scope)).toContain('gradient of layer');
  }
});

it('refuses a file that is not a profile', () => {
  expect(() => parseProfile('{}')).toThrow('must be an array');
  expect(() => parseProfile('[]')).toThrow('call');
});
