// docs/experiments.md is what `dm report --experiments` writes from the committed results.
import { experimentsPage, readExperiments } from '@dm/trainer';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../..', import.meta.url));

it('docs/experiments.md is up to date (else: npm run -s dm -- report --experiments)', () => {
  const page = experimentsPage(readExperiments(join(root, 'experiments')), join(root, 'docs'));
  expect(readFileSync(join(root, 'docs/experiments.md'), 'utf8')).toBe(page);
});
