import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import { tinyConfig, tinyFolder } from './testing/tiny.js';

afterEach(() => vi.restoreAllMocks());

it.each([
  ['this package', '../README.md'],
  ['the repository', '../../../README.md'],
])(
  'the example in the README of %s fits a screen and runs, on a model with a few thousand parameters',
  async (_, path) => {
    const readme = readFileSync(new URL(path, import.meta.url), 'utf8');
    const folder = await tinyFolder();
    mkdirSync(join(folder, 'runs'));
    const { out: _out, ...config } = tinyConfig(folder, 2);
    const source = fileURLToPath(new URL('./index.ts', import.meta.url));
    const example = /```ts\n(.*?)```/s.exec(readme)![1]!;
    expect(example.split('\n').length).toBeLessThanOrEqual(25);
    const code = example
      .replace("'@dm/trainer'", `'${source}'`)
      .replace("preset: 'mnist'", `...${JSON.stringify(config)}`)
      .replace('totalSteps: 1300', 'totalSteps: 2')
      .replace('count: 100', 'count: 4')
      .replace("'runs/digits'", `'${join(folder, 'runs/digits')}'`)
      .replace("'digits.png'", `'${join(folder, 'digits.png')}'`);
    writeFileSync(join(folder, 'example.ts'), code);
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    await import(/* @vite-ignore */ join(folder, 'example.ts'));
    expect(log).toHaveBeenCalledWith(expect.stringMatching(/^2 steps.*report\.html$/));
    expect(readFileSync(join(folder, 'digits.png')).subarray(1, 4).toString()).toBe('PNG');
    rmSync(folder, { recursive: true });
  },
);
