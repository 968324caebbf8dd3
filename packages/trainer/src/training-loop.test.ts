import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import { tinyFolder, tinyUnet } from './testing/tiny.js';

afterEach(() => vi.restoreAllMocks());

it('the loop in docs/training-loop.md trains and samples, with a smaller model and data', async () => {
  const page = readFileSync(new URL('../../../docs/training-loop.md', import.meta.url), 'utf8');
  const folder = await tinyFolder();
  const code = /```ts\n(.*?)```/s
    .exec(page)![1]!
    .replaceAll(/from '(@[^']+)'/g, (_, name: string) => `from '${fileURLToPath(import.meta.resolve(name))}'`)
    .replace("'mnist'", `'${join(folder, 'data.npz')}'`)
    .replace('(unetPresets.mnist)', `({ ...unetPresets.mnist, ...${JSON.stringify(tinyUnet)}, sample_size: 8 })`)
    .replace('totalSteps = 1300', 'totalSteps = 3')
    .replace('n % 50', 'n % 1')
    .replace("'digits.png'", `'${join(folder, 'digits.png')}'`);
  writeFileSync(join(folder, 'loop.ts'), code);
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  await import(/* @vite-ignore */ join(folder, 'loop.ts'));
  expect(log.mock.calls.map(([step]) => step as number)).toEqual([0, 1, 2]);
  expect(log.mock.calls.every(([, loss]) => Number.isFinite(loss))).toBe(true);
  expect(readFileSync(join(folder, 'digits.png')).subarray(1, 4).toString()).toBe('PNG');
  rmSync(folder, { recursive: true });
});
