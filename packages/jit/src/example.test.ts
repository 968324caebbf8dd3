import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';

it('the example in the README runs', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const code = /```ts\n(.*?)```/s.exec(readme)![1]!;
  const file = join(await mkdtemp(join(tmpdir(), 'dm-readme-')), 'example.ts');
  const resolved = (name: string) => fileURLToPath(import.meta.resolve(name));
  await writeFile(
    file,
    code
      .replace("'@dm/jit'", `'${fileURLToPath(new URL('./index.ts', import.meta.url))}'`)
      .replace("'@dm/ops'", `'${resolved('@dm/ops')}'`)
      .replace("'@tensorflow/tfjs-core'", `'${resolved('@tensorflow/tfjs-core')}'`),
  );
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  await import(/* @vite-ignore */ file);
  expect(log).toHaveBeenCalledWith(['2.000', '-1.000']);
});
