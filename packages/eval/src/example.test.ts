import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import type { Estimate } from './bootstrap.js';

afterEach(() => vi.restoreAllMocks());

it('the example of the README runs and shows what it says', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const file = join(await mkdtemp(join(tmpdir(), 'dm-readme-')), 'example.ts');
  const code = /```ts\n(.*?)```/s.exec(readme)![1]!;
  const source = fileURLToPath(new URL('./index.ts', import.meta.url));
  await writeFile(file, code.replace("'@dm/eval'", `'${source}'`));
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  await import(/* @vite-ignore */ file);
  const [cosine, mae] = log.mock.calls as [string, Estimate, Estimate, Estimate][];
  expect([cosine![0], mae![0]]).toEqual(['cosine', 'mae']);
  expect(cosine![1].low).toBeGreaterThan(cosine![2].high);
  expect(mae![1].high).toBeLessThan(mae![2].low);
});
