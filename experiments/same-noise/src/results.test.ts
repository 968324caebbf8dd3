// results/laptop/README.md is the page of the committed results.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { resultsPage } from './page.js';
import type { Results } from './run.js';

const folder = join(import.meta.dirname, '..', 'results', 'laptop');

it('the page has the committed results', () => {
  const results = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as Results;
  expect(resultsPage(results)).toBe(readFileSync(join(folder, 'README.md'), 'utf8'));
});
