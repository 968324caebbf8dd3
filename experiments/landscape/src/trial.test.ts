import { existsSync, readFileSync } from 'node:fs';
import { trialFields } from '@dm/experiments';
import { expect, it } from 'vitest';
import { trials, type LandscapeTrial } from './trial.js';

it('the committed results are those of the present arms', () => {
  const path = (trial: LandscapeTrial) =>
    new URL(`../results/laptop/landscape/${trial.arm.name}.seed-${trial.seed}.json`, import.meta.url);
  const finished = trials('laptop').filter((trial) => existsSync(path(trial)));
  expect(finished.length).toBeGreaterThan(0);
  for (const trial of finished) {
    const { key } = JSON.parse(readFileSync(path(trial), 'utf8')) as { key: string };
    expect(trialFields(trial).key, path(trial).pathname).toBe(key);
  }
});
