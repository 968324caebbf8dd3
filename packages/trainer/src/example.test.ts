import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import { tinyConfig, tinyFolder } from './testing/tiny.js';

afterEach(() => vi.restoreAllMocks());

it('the example of the README runs, on a model of a few thousand parameters', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const folder = await tinyFolder();
  mkdirSync(join(folder, 'runs'));
  const { out: _out, ...config } = tinyConfig(folder, 2);
  const source = fileURLToPath(new URL('./index.ts', import.meta.url));
  const code = /```ts\n(.*?)```/s
    .exec(readme)![1]!
    .replace("'@dm/trainer'", `'${source}'`)
    .replace("preset: 'mnist'", `...${JSON.stringify(config)}`)
    .replace("'runs/digits'", `'${join(folder, 'runs/digits')}'`)
    .replace("'digits.png'", `'${join(folder, 'digits.png')}'`);
  writeFileSync(join(folder, 'example.ts'), code);
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  await import(/* @vite-ignore */ join(folder, 'example.ts'));
  expect(log).toHaveBeenCalledWith(`2 steps; report: ${join(folder, 'runs/digits/report.html')}`);
  expect(readFileSync(join(folder, 'digits.png')).subarray(1, 4).toString()).toBe('PNG');
  rmSync(folder, { recursive: true });
});
