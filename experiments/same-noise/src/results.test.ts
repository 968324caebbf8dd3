// results/laptop/README.md is the page of the committed results.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { networks, runNames } from './networks.js';
import { resultsPage } from './page.js';
import type { Results } from './run.js';

const folder = join(import.meta.dirname, '..', 'results', 'laptop');

it('the page has the committed results', () => {
  const results = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as Results;
  expect(resultsPage(results)).toBe(readFileSync(join(folder, 'README.md'), 'utf8'));
});

it('the networks of the experiment start have its numbers of steps', () => {
  const path = join(import.meta.dirname, '../../start/results/laptop/step-times.json');
  const [{ steps }] = JSON.parse(readFileSync(path, 'utf8')) as [{ readonly steps: Readonly<Record<string, number>> }];
  for (const name of ['adamw', 'muon', 'x0', 'flow'] as const) expect(networks[name].steps).toBe(steps[runNames[name]]);
});
