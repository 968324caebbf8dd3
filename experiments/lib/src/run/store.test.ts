import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { baseline, recipe } from '../recipe/recipe.js';
import { screeningSize } from '../recipe/sizes.js';
import { trialKey, type AnyResult, type Trial } from '../recipe/trial.js';
import { openStore } from './store.js';

const trial = (stage: string, name: string, seed = 0): Trial => ({
  stage,
  arm: { name, about: `${name} as it is`, recipe: baseline },
  size: screeningSize.smoke,
  seed,
});
const result = (of: Trial): AnyResult => ({
  key: trialKey(of),
  arm: of.arm.name,
  about: of.arm.about,
  seed: of.seed,
  seconds: { training: 1, measuring: 2 },
});
const accepts = (one: AnyResult): one is AnyResult => 'seconds' in one;

it('opens next to the committed results of all experiments, whatever their format', () => {
  const folder = fileURLToPath(new URL('../../../momentum/results/laptop', import.meta.url));
  const store = openStore<Trial, AnyResult>(folder, { fresh: false, accepts });
  expect(store.find({ ...trial('final', 'not trained'), seed: 12_345 })).toBeUndefined();
});

describe('openStore', () => {
  let root: string;
  const open = (experiment: string, fresh = false) =>
    openStore<Trial, AnyResult>(join(root, experiment, 'results', 'laptop'), { fresh, accepts });
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'dm-store-'))));
  afterEach(() => rmSync(root, { recursive: true }));

  it('finds saved results only by their key', () => {
    const store = open('a');
    expect(store.find(trial('final', 'x'))).toBeUndefined();
    store.save(trial('final', 'x'), result(trial('final', 'x')));
    expect(open('a').find(trial('final', 'x'))).toEqual(result(trial('final', 'x')));
    const changed = { ...trial('final', 'x'), arm: { name: 'x', about: '', recipe: recipe({ optimizer: { lr: 1 } }) } };
    expect(open('a').find(changed)).toBeUndefined();
  });

  it('copies results of another experiment or stage, with its own arm and stage', () => {
    open('a').save(trial('final', 'x'), result(trial('final', 'x')));
    const store = open('b');
    const copy = store.find(trial('whole', 'y'));
    expect(copy).toEqual({ ...result(trial('whole', 'y')), stage: 'whole', from: 'a/final/x.seed-0' });
    expect(existsSync(join(root, 'b/results/laptop/whole/y.seed-0.json'))).toBe(true);
    // `from` names the experiment that trained the model, not the one with the copy.
    expect(open('c').find(trial('again', 'z'))).toMatchObject({ from: 'a/final/x.seed-0' });
    store.save(trial('whole', 'y', 1), result(trial('whole', 'y', 1)));
    expect(store.find(trial('rates', 'y', 1))).toMatchObject({ from: 'b/whole/y.seed-1' });
  });

  it.each(['', 'null', '1', '[]', '{"key": 1}', '['.repeat(1e5)])(
    'names the file of a result that is none: %.20s',
    (text) => {
      open('a').save(trial('final', 'x'), result(trial('final', 'x')));
      const path = join(root, 'a/results/laptop/final/x.seed-0.json');
      writeFileSync(path, text);
      const refusal = expect.objectContaining({ code: 'FILE_INVALID', path: expect.stringContaining(path) as string });
      expect(() => open('b')).toThrow(refusal);
      const own = openStore<Trial, AnyResult>(join(root, 'a/results/laptop'), { fresh: false });
      expect(() => own.find(trial('final', 'x'))).toThrow(refusal);
    },
  );

  it('does not reuse results in a fresh store, or without `accepts`', () => {
    open('a').save(trial('final', 'x'), result(trial('final', 'x')));
    expect(open('b', true).find(trial('final', 'x'))).toBeUndefined();
    const folder = join(root, 'c', 'results', 'laptop');
    expect(openStore<Trial, AnyResult>(folder, { fresh: false }).find(trial('final', 'x'))).toBeUndefined();
  });
});
