/** The option `convolutionLayout`, on a device if there is one. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { conv2d, type Program, silu } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it, onTestFinished } from 'vitest';
import { openOnnxEngine } from '../engine.js';
import { EngineError } from '../errors.js';
import { parseProfile } from '../inspect/profile.js';
import { closeTo, floats, runCpu, runOnnx } from '../testing.js';
import { type ConvolutionLayout, convolutionLayouts } from './runtime.js';
import { skipLoudly } from './testing/index.js';

const program: Program = (_, { x, filter }) => {
  const loss = (v: tf.Tensor) => tf.sum(silu(conv2d(silu(conv2d(v, filter!)), filter!)));
  return { outputs: { dx: tf.grad(loss)(x!) } };
};
const inputs = { x: floats([2, 6, 6, 4]), filter: floats([3, 3, 4, 4], 2) };

/** Checks the result in a layout, and returns the number of transposes that ran. */
async function transposesIn(convolutionLayout: ConvolutionLayout): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'dm-layout-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const options = { device: 'webgpu', threads: 1, profilePrefix: join(folder, 'session') } as const;
  const engine = await openOnnxEngine({ ...options, convolutionLayout });
  expect(engine.info['convolutionLayout']).toBe(convolutionLayout);
  expect(await runOnnx(program, inputs, engine)).toBeAllClose(await runCpu(program, inputs), closeTo(1e-3));
  await engine.dispose();
  const profiles = readdirSync(folder).map((name) => parseProfile(readFileSync(join(folder, name), 'utf8')));
  const nodes = profiles.flatMap(({ calls }) => calls.flatMap((call) => call.nodes));
  return nodes.filter(({ op }) => op === 'Transpose').length;
}

it('NHWC and NCHW give the same numbers; with NCHW, the images of the program are transposed', async ({ skip }) => {
  const counts: number[] = [];
  for (const layout of convolutionLayouts) {
    try {
      counts.push(await transposesIn(layout));
    } catch (error) {
      if (error instanceof EngineError && error.code === 'DEVICE_UNUSABLE') return skipLoudly(skip, error.message);
      throw error;
    }
  }
  expect(counts[1]).toBeGreaterThan(counts[0]!);
});

it('is refused if it is unknown, and for other devices', async () => {
  const layouts = [
    { device: 'webgpu', convolutionLayout: 'CHWN' as 'NCHW' },
    { device: 'cpu', convolutionLayout: 'NCHW' },
    { convolutionLayout: 'NCHW' },
  ] as const;
  for (const options of layouts) {
    await expect(openOnnxEngine(options)).rejects.toThrowWith({
      type: RangeError,
      contains: ['convolutionLayout'],
    });
  }
});
