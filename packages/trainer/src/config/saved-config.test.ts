import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allFieldFlags, layersOf } from '../commands/config-flags.js';
import { runFolder } from '../run/run-folder.js';
import { curriculumOf } from '../setup/training-setup.js';
import { resolveConfig } from './resolve.js';
import { savedConfig, saveConfig, trainingHash } from './saved-config.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-saved-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const ofRun = (config: object) => {
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  return resolveConfig([savedConfig(runFolder(folder))]);
};

it('a run older than sampler.path keeps leading spacing, also with zero terminal SNR', () => {
  const sampler = { type: 'ddim', steps: 10, guidance: 1, guidanceInterval: null };
  const old = ofRun({ sampler, diffusion: { schedule: { type: 'linear', zeroTerminalSnr: true } } });
  expect(old.sampler.path).toEqual({ type: 'discrete', spacing: 'leading' });
  const now = resolveConfig([]);
  saveConfig(runFolder(folder), now);
  expect(resolveConfig([savedConfig(runFolder(folder))]).sampler).toEqual(now.sampler);
});

it('a run with Muon older than orthogonalize keeps its grouping, and its hash', () => {
  const before = { optimizer: { ...resolveConfig([]).optimizer, type: 'muon', matrixLr: 0.02, momentumDecay: null } };
  const config = ofRun(before);
  expect(config.optimizer).toMatchObject({ orthogonalize: 'all' });
  const now = resolveConfig([{ source: 'now', value: before as never }]);
  expect(now.optimizer).toMatchObject({ orthogonalize: 'hidden' });
  expect(trainingHash(config)).not.toBe(trainingHash(now));
  const { orthogonalize: _, ...optimizer } = config.optimizer as { readonly orthogonalize: string };
  expect(trainingHash({ ...config, optimizer } as never)).toBe(trainingHash(config));
});

it.each(['clts', 'cltsReversed', 'cltsTimeAverage', 'cltsCorrected', 'cltsWide'] as const)(
  'a run with %s older than coordinateDefaults keeps its Gaussian, and its hash',
  (type) => {
    const given = resolveConfig([{ source: 'test', value: { curriculum: { type, coordinate: 'logSnr' } } }]);
    expect(given.curriculum).toMatchObject({ coordinateDefaults: true });
    const { coordinateDefaults: _newer, ...older } = given.curriculum as typeof given.curriculum & {
      coordinateDefaults?: boolean;
    };
    const run = runFolder(folder);
    writeFileSync(run.config, JSON.stringify({ ...given, curriculum: older }));
    const saved = resolveConfig([savedConfig(run)]);
    const former = { coordinate: 'logSnr', mu: 0.3, sigma: type === 'cltsWide' ? 0.5 : 0.2 } as const;
    const explicit = resolveConfig([{ source: 'test', value: { curriculum: { type, ...former } } }]);
    expect(curriculumOf(saved).density(100)).toEqual(curriculumOf(explicit).density(100));
    expect(curriculumOf(given).density(100)).not.toEqual(curriculumOf(explicit).density(100));
    const hashed = { ...saved, curriculum: older as typeof saved.curriculum };
    expect(trainingHash(saved)).toBe(trainingHash(hashed));
    expect(trainingHash(saved)).not.toBe(trainingHash(given));
  },
);

it('runs from before evaluation.extractor.resize continue to resize as they did; new ones with their default', () => {
  const of = (extractor: object) => ofRun({ evaluation: { extractor } }).evaluation.extractor;
  expect(of({ type: 'mobilenet', weights: null })).toMatchObject({ resize: 'libvips' });
  expect(of({ type: 'random', weights: null })).toMatchObject({ resize: 'libvips' });
  expect(of({ type: 'inception', weights: 'x' })).toMatchObject({ resize: null });
  expect(of({ type: 'mobilenet', weights: null, resize: null })).toMatchObject({ resize: null });
  expect(of({ type: 'pixels', weights: null })).toEqual({ type: 'pixels', weights: null });
  expect(resolveConfig().evaluation.extractor).toMatchObject({ resize: null });
  // A run that a newer version wrote is complete, whatever extractor it names.
  const written = resolveConfig([{ source: 'x', value: { evaluation: { extractor: 'random' } } }]);
  expect(ofRun(written).evaluation.extractor).toEqual({ type: 'random', weights: null, resize: null });
});

describe('imageResize', () => {
  it('of a run older than the field is that of its time, and no part of its hash; new runs resize as Pillow', () => {
    const { imageResize, ...before } = resolveConfig();
    expect(imageResize).toBe('bicubic');
    const config = ofRun(before);
    expect(config.imageResize).toBe('libvips');
    expect(trainingHash(config)).toBe(trainingHash(before as never));
    expect(trainingHash(config)).not.toBe(trainingHash(resolveConfig()));
    const now = resolveConfig([{ source: 'x', value: { imageResize: 'lanczos3' } }]);
    expect(ofRun(now).imageResize).toBe('lanczos3');
  });

  it('of a run is used by another that is configured by its config.json', () => {
    const [ofRunFile, ofUser] = [join(folder, 'config.json'), join(folder, 'mine.yaml')];
    writeFileSync(ofRunFile, JSON.stringify({ seed: 3, out: 'runs/x', recorded: {} }));
    writeFileSync(ofUser, 'seed: 3');
    const resolved = (config: string) => resolveConfig(layersOf({ config }, allFieldFlags));
    expect(resolved(ofRunFile)).toMatchObject({ seed: 3, imageResize: 'libvips', out: 'runs/mnist' });
    expect(resolved(ofUser)).toMatchObject({ seed: 3, imageResize: 'bicubic' });
  });
});

it('the resize method of a run is no part of its training', () => {
  const layer = { source: 'x', value: { evaluation: { extractor: { resize: 'libvips' as const } } } };
  expect(trainingHash(resolveConfig([layer]))).toBe(trainingHash(resolveConfig()));
});
