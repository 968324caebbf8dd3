import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { baseline, recipe } from './recipe.js';
import { screeningSize } from './sizes.js';
import { trialFields, trialKey, type AnyResult, type AnyTrial, type Trial } from './trial.js';

const trial: Trial = {
  stage: 'screening',
  arm: { name: 'a', about: 'as it is', recipe: baseline },
  size: screeningSize.smoke,
  seed: 0,
};

describe('trialKey', () => {
  it('depends on everything that affects numbers, but not on names and the order of fields', () => {
    const key = trialKey(trial);
    const { lr, ...rest } = baseline.optimizer;
    const reordered = { ...baseline, optimizer: { ...rest, lr } };
    expect(trialKey({ ...trial, stage: 'final', arm: { name: 'b', about: '', recipe: reordered } })).toBe(key);
    expect(trialKey({ ...trial, seed: 1 })).not.toBe(key);
    const larger: Trial = { ...trial, size: { ...trial.size, samples: 17 } };
    expect(trialKey(larger)).not.toBe(key);
    const other = recipe({ optimizer: { lr: 3e-3 } });
    expect(trialKey({ ...trial, arm: { ...trial.arm, recipe: other } })).not.toBe(key);
  });

  it('equals the key of every committed result', () => {
    const experiments = fileURLToPath(new URL('../../..', import.meta.url));
    // These have another format.
    const files = readdirSync(experiments)
      .filter((name) => !['primary', 'start'].includes(name))
      .map((name) => join(experiments, name, 'results/laptop'))
      .filter((folder) => existsSync(folder))
      .flatMap((folder) =>
        readdirSync(folder, { recursive: true, encoding: 'utf8' })
          .filter((path) => /\.seed-\d+\.json$/.test(path))
          .map((path) => join(folder, path)),
      );
    expect(files.length).toBeGreaterThan(200);
    for (const file of files) {
      const {
        key,
        recipe: committed,
        size,
        seed,
      } = JSON.parse(readFileSync(file, 'utf8')) as AnyResult & {
        readonly recipe: unknown;
        readonly size: AnyTrial['size'];
      };
      const arm = { name: '', about: '', recipe: committed };
      expect(trialKey({ stage: '', arm, size, seed }), file).toBe(key);
    }
  });

  it('uses the names of committed results for renamed fields', () => {
    const path = new URL('../../../curriculum/results/laptop/screening/clts-lam-0.5.seed-0.json', import.meta.url);
    const committed = JSON.parse(readFileSync(path, 'utf8')) as AnyResult & Pick<AnyTrial, 'size'> & Trial['arm'];
    const renamed = { ...committed.recipe, curriculum: { name: 'clts', params: { lambdaMax: 0.5 } } };
    const { key, recipe: stored } = trialFields({
      stage: 'screening',
      arm: { name: committed.arm, about: '', recipe: renamed },
      size: committed.size,
      seed: committed.seed,
    });
    expect(key).toBe(committed.key);
    expect(stored).toEqual(committed.recipe);
  });
});
