import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import type { Estimate } from './consistency/bootstrap.js';
import type { Evaluation } from './evaluation/evaluate.js';

afterEach(() => vi.restoreAllMocks());

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
const codes = [...readme.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1]!);

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'dm-readme-'));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

/** Runs an example of the README. */
async function run(code: string): Promise<unknown> {
  const file = join(await folder(), 'example.ts');
  const source = fileURLToPath(new URL('./index.ts', import.meta.url));
  await writeFile(file, code.replace("'@dm/eval'", `'${source}'`));
  return import(/* @vite-ignore */ file);
}

it('the example of the README runs and shows what it says', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  await run(codes[0]!);
  const [cosine, mae] = log.mock.calls as [string, Estimate, Estimate, Estimate][];
  expect([cosine![0], mae![0]]).toEqual(['cosine', 'mae']);
  expect(cosine![1].low).toBeGreaterThan(cosine![2].high);
  expect(mae![1].high).toBeLessThan(mae![2].low);
});

it('the example of metrics runs on two folders of pictures, a damaged one among them', async () => {
  const [samples, photos] = [await folder(), await folder()];
  for (const [path, shift] of [
    [samples, 20],
    [photos, 0],
  ] as const) {
    for (let n = 0; n < 6; n++) {
      const pixels = Uint8Array.from({ length: 64 }, (_, i) => 100 + shift + 50 * Math.sin(i * (n + 1)));
      await sharp(pixels, { raw: { width: 8, height: 8, channels: 1 } }).toFile(join(path, `${n}.png`));
    }
  }
  await writeFile(join(photos, 'x.png'), 'damaged');
  const code = codes[1]!.replace("'samples'", `'${samples}'`).replace("'photos'", `'${photos}'`);
  const { results, comparable, warnings } = (await run(
    `${code}\nexport { results, comparable, warnings };`,
  )) as Evaluation;
  expect(results.map(({ label }) => label)).toEqual(['FD-pixels', 'KD-pixels', 'precision', 'recall']);
  expect(comparable).toContain('Not comparable');
  expect(warnings).toContainEqual(`${photos}: 6 images used, 1 left out.`);
});
