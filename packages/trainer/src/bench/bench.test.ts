import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../config/resolve.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';
import { bench } from './bench.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const config = (engine: 'tfjs-cpu' | 'onnx') =>
  resolveConfig([{ source: 'test', value: { ...tinyConfig(folder, 2), engine } }]);

describe('bench', () => {
  it('times compiled steps, the phases of compiling and the part of JavaScript', async () => {
    const seen: number[] = [];
    const result = await bench(config('onnx'), { steps: 3, warmup: 1, onStep: (done) => seen.push(done) });
    expect(result).toMatchObject({ model: 'UNet2DModel', engine: 'onnx', batchSize: 4, shape: [8, 8, 1], steps: 3 });
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    const { stepMs, compileMs } = result;
    expect(stepMs.min).toBeGreaterThan(0);
    expect(stepMs.q1).toBeGreaterThanOrEqual(stepMs.min);
    expect(stepMs.q3).toBeGreaterThanOrEqual(stepMs.median);
    expect(result.imagesPerSecond).toBeCloseTo(4000 / stepMs.median, 6);
    expect(Object.keys(compileMs!)).toEqual(['trace', 'optimize', 'lower', 'encode', 'session']);
    const compiling = Object.values(compileMs!).reduce((a, b) => a + b);
    expect(result.firstStepMs).toBeGreaterThan(compiling);
    expect(result.javascript).toBeGreaterThan(0);
    expect(result.javascript).toBeLessThan(1);
    expect(result.peakMb).toBeGreaterThan(10);
  });

  it('compiles once, also where a batch runs on into the next epoch', async () => {
    const names: string[] = [];
    // 8 batches of 4 images out of 23: the sixth holds the end of the first epoch and the begin of the second.
    await bench(config('onnx'), { steps: 7, warmup: 0, onCompiled: ({ name }) => void names.push(name) });
    expect(names).toEqual(['training step']);
  });

  it('times eager engines too, without the figures that they do not have', async () => {
    const result = await bench(config('tfjs-cpu'), { steps: 1, warmup: 0 });
    expect(result.stepMs.median).toBeGreaterThan(0);
    expect(result).not.toHaveProperty('compileMs');
    expect(result).not.toHaveProperty('javascript');
  });

  it('refuses impossible counts', async () => {
    await expect(bench(config('tfjs-cpu'), { steps: 0 })).rejects.toThrowWith({
      type: RangeError,
      contains: ['steps', '>= 1', '0'],
    });
    await expect(bench(config('tfjs-cpu'), { warmup: -1 })).rejects.toThrowWith({
      type: RangeError,
      contains: ['warmup', '>= 0', '-1'],
    });
  });
});
