// docs/experiments.md must match the output of `dm report --experiments` for the committed results.
import { experimentsPage, readExperiments } from '@dm/trainer';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { bestRecipeNotice, regimeNotice } from './describe.js';

const root = fileURLToPath(new URL('../../../..', import.meta.url));

it('docs/experiments.md is up to date (to update it: npm run -s dm -- report --experiments)', () => {
  const page = experimentsPage(readExperiments(join(root, 'experiments')), join(root, 'docs'));
  expect(readFileSync(join(root, 'docs/experiments.md'), 'utf8')).toBe(page);
});

it('every committed result and the page start with the notice', () => {
  const notice = regimeNotice('laptop')!;
  const found = readExperiments(join(root, 'experiments')).flatMap(({ results }) => results);
  expect(found.length).toBeGreaterThan(0);
  for (const { folder, found: one } of found) {
    // Learning rates of `trend` are tuned, its networks predict v, and its points pass the gate.
    const own = one.experiment === 'trend' ? 'Learning rates are tuned' : notice;
    expect(one.notice).toContain(own);
    expect(readFileSync(join(folder, 'README.md'), 'utf8').split('\n')[2]).toContain(own);
  }
  expect(readFileSync(join(root, 'docs/experiments.md'), 'utf8').split('\n## ')[0]).toContain(notice);
});

it('the speed-up of the best recipe to the tuned baseline is the one in the notice', () => {
  const fdOf = (path: string): number => {
    const { points } = JSON.parse(readFileSync(join(root, 'experiments', path), 'utf8')) as {
      points: { samples: { ema: { fd: number } } }[];
    };
    return points.at(-1)!.samples.ema.fd;
  };
  const tuned = fdOf('speedup/results/laptop/rates/baseline-lr0.005.seed-0.json');
  const recipe = (part: string): number => fdOf(`speedup/results/laptop/short/best-${part}.seed-0.json`);
  const [quarter, half] = [recipe('1-of-4'), recipe('1-of-2')];
  // Between a quarter and a half of the images, log metric against log images.
  const octaves = Math.log(quarter / tuned) / Math.log(quarter / half);
  expect(octaves).toBeGreaterThan(0);
  expect(octaves).toBeLessThan(1);
  expect(bestRecipeNotice).toContain(`about ${(4 / 2 ** octaves).toFixed(1)} times`);
});
