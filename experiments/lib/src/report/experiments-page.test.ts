// docs/experiments.md is what `dm report --experiments` writes from the committed results.
import { experimentsPage, readExperiments } from '@dm/trainer';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { regimeNotice } from './describe.js';

const root = fileURLToPath(new URL('../../../..', import.meta.url));

it('docs/experiments.md is up to date (else: npm run -s dm -- report --experiments)', () => {
  const page = experimentsPage(readExperiments(join(root, 'experiments')), join(root, 'docs'));
  expect(readFileSync(join(root, 'docs/experiments.md'), 'utf8')).toBe(page);
});

it('every committed result, and the page, says first what it cannot decide', () => {
  const notice = regimeNotice('laptop')!;
  const found = readExperiments(join(root, 'experiments')).flatMap(({ results }) => results);
  expect(found.length).toBeGreaterThan(0);
  for (const { folder, found: one } of found) {
    expect(one.notice).toContain(notice);
    expect(readFileSync(join(folder, 'README.md'), 'utf8').split('\n')[2]).toContain(notice);
  }
  expect(readFileSync(join(root, 'docs/experiments.md'), 'utf8').split('\n## ')[0]).toContain(notice);
});
