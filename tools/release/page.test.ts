// docs/release.md has the figures of the committed report.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../bootstrap/commands.mjs';
import { matrixTable, sizeTable } from './page.mjs';

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const page = read('docs/release.md').replaceAll(/ +/g, ' ');
const summary = JSON.parse(read('tools/release/results/full.json')) as Parameters<typeof matrixTable>[0];

it.each([...matrixTable(summary), ...sizeTable(summary)])('the page has the row %s', (row) => {
  expect(page).toContain(row.replaceAll(/ +/g, ' '));
});

it('the page has the processor and the versions of TypeScript', () => {
  expect(page.replaceAll('\n', ' ')).toContain(summary.processor);
  for (const version of summary.typescript) expect(page).toContain(version);
});

it('the matrix has four versions of Node and three package managers', () => {
  expect(matrixTable(summary)).toHaveLength(1 + 4 * 3);
});

it('the tables count failures', () => {
  const result = { node: '20.0.0', manager: 'npm 10', package: 'core', seconds: 1, done: ['vite (5 kB)'] };
  const tarballs = [{ name: 'core', bytes: 1234 }];
  const results = [result, { ...result, seconds: 3, error: 'failed' }];
  const small = { ...summary, tarballs, results };
  expect(matrixTable(small)[1]).toBe('| 20.0.0 | npm 10 | 1 of 2 | 3 s |');
  expect(sizeTable(small)[1]).toBe('| `@dm/core` | 1 kB | 5 kB |  |');
});
