import { readFileSync } from 'node:fs';
import { trialFields } from '@dm/experiments';
import { expect, it } from 'vitest';
import { trials } from './trial.js';

it('the committed results are those of the present arms', () => {
  for (const trial of trials('laptop')) {
    const path = new URL(`../results/laptop/landscape/${trial.arm.name}.seed-${trial.seed}.json`, import.meta.url);
    const { key } = JSON.parse(readFileSync(path, 'utf8')) as { key: string };
    expect(trialFields(trial).key, path.pathname).toBe(key);
  }
});
