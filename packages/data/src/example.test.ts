import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';

afterEach(() => vi.restoreAllMocks());

it('the example of the README runs', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const dir = await mkdtemp(join(tmpdir(), 'dm-readme-'));
  const file = join(dir, 'example.ts');
  const code = /```ts\n(.*?)```/s.exec(readme)![1]!;
  const source = fileURLToPath(new URL('./index.ts', import.meta.url));
  await writeFile(
    file,
    code.replace("'@dm/data'", `'${source}'`).replace("'batch.png'", `'${join(dir, 'batch.png')}'`),
  );
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  await import(/* @vite-ignore */ file);
  expect(log).toHaveBeenCalledWith('64 of 60000 digits');
  expect((await readFile(join(dir, 'batch.png'))).subarray(1, 4).toString()).toBe('PNG');
});
