import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import * as files from './index.js';

it('the example in the README runs', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const folder = mkdtempSync(join(tmpdir(), 'dm-files-'));
  const source = /```ts\n(.*?)```/s.exec(readme)![1]!.replaceAll("'runs/", `'${folder.replaceAll('\\', '/')}/`);
  const { outputText } = ts.transpileModule(source, { compilerOptions: { target: ts.ScriptTarget.ESNext } });
  const body = outputText.replace(/^import (\{.+\}) from '@dm\/files';$/m, 'const $1 = files;');
  // oxlint-disable-next-line typescript/no-implied-eval -- the code is the README's own
  const run = new Function('files', 'console', body) as (...args: unknown[]) => void;
  const printed: unknown[] = [];
  run(files, { log: (value: unknown) => printed.push(value) });
  expect(printed).toEqual(['{"steps": 100}\n']);
  rmSync(folder, { recursive: true });
});
