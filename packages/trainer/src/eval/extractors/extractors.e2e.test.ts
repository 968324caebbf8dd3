// The commands below `dm eval` that make and time extractors, as a person would run them.
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dm, dmJson } from '../../testing/command.js';
import { tinyFolder } from '../../testing/tiny.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('dm eval train-extractor', () => {
  it('trains on a data set, and dm eval takes what it wrote', async () => {
    const args = ['eval', 'train-extractor', 'data.npz', '--out', 'c.safetensors', '--epochs', '1', '--threads', '1'];
    const trained = await dm(args, folder);
    expect(trained).toMatchObject({ code: 0, stderr: '' });
    expect(trained.stdout).toMatch(/^c\.safetensors: .*[\d.]+%.*\b2\b.*\b1 steps.*[\da-f]{64}\n$/);
    await expect(dmJson(args, folder)).rejects.toThrowWith({
      code: 'FILE_EXISTS',
      contains: ['c.safetensors', '--out'],
    });

    const set = ['eval', 'data.npz', 'data.npz', '--metrics', 'fid,is', '--no-cache', '--json'];
    const judged = await dm([...set, '--extractor', 'classifier', '--weights', 'c.safetensors'], folder);
    expect(judged).toMatchObject({ code: 0, stderr: '' });
    const { results } = JSON.parse(judged.stdout) as { results: { label: string; value: number }[] };
    expect(results.map(({ label }) => label)).toEqual(['FD-classifier', 'IS-classifier']);
    expect(results[0]!.value).toBeLessThan(1e-6);
  });
});

describe('dm eval throughput', () => {
  it('prints images a second', async () => {
    const args = ['eval', 'throughput', '--count', '20', '--threads', '1'];
    const text = await dm(args, folder);
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout).toMatch(/^mobilenet: [\d.]+ images\/s.*\b20\b.*32x32x3.*first batch/);
    const json = await dm([...args, '--extractor', 'pixels', '--json'], folder);
    expect(JSON.parse(json.stdout)).toMatchObject({
      event: 'throughput',
      extractor: 'pixels',
      count: 20,
      engine: 'onnx',
    });
  });
});
