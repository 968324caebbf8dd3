import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import { tinyFolder, tinyUnet } from './testing/tiny.js';

afterEach(() => vi.restoreAllMocks());

it('the loop of docs/training-loop.md, examples/mnist-loop, trains and samples, with a smaller model and data', async () => {
  const program = readFileSync(new URL('../../../examples/mnist-loop/main.ts', import.meta.url), 'utf8');
  const folder = await tinyFolder();
  const code = program
    .replaceAll(/from '(@[^']+)'/g, (_, name: string) => `from '${fileURLToPath(import.meta.resolve(name))}'`)
    .replace("'mnist'", `'${join(folder, 'data.npz')}'`)
    .replace('(unetPresets.mnist)', `({ ...unetPresets.mnist, ...${JSON.stringify(tinyUnet)}, sample_size: 8 })`)
    .replace("process.argv.includes('--smoke') ? 10 : 1300", '3')
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
