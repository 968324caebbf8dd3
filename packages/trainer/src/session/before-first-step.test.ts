// Whatever cannot work is found before the first step, and changes nothing on disk.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeNpz } from '@dm/data';
import { formatSafetensors, parseSafetensors } from '@dm/models';
import { DmError } from '@dm/ops';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PartialConfig } from '../config/schema.js';
import { filesOf } from '../testing/files-of.js';
import { quickConfig, tinyDit, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
  await writeNpz(join(folder, 'large.npz'), {
    images: { shape: [2, 128, 128, 1], data: new Uint8Array(2 * 128 * 128) },
    labels: { shape: [2], data: Int32Array.of(0, 1) },
  });
  await writeNpz(join(folder, 'one.npz'), { images: { shape: [1, 8, 8, 1], data: new Uint8Array(64) } });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const quick = (steps: number) => quickConfig(folder, steps);

const evaluation = { every: 2, samples: 4, metrics: ['fid' as const], extractor: 'pixels' as const };

/** Configurations that would fail at the first evaluation, sample, or save, or while training is set up. */
const failing: readonly [name: string, part: (path: string) => PartialConfig, code: string][] = [
  [
    'one image to compare with',
    (path) => ({ data: join(path, 'one.npz'), conditional: false, evaluation }),
    'DATA_MISMATCH',
  ],
  [
    'an extractor without weights',
    (path) => ({ evaluation: { ...evaluation, extractor: { type: 'classifier', weights: join(path, 'none') } } }),
    'WEIGHTS_NOT_FOUND',
  ],
  [
    'an evaluation larger than the memory',
    (path) => ({ data: join(path, 'large.npz'), evaluation: { ...evaluation, samples: 10_000_000 } }),
    'OUT_OF_MEMORY',
  ],
  ['a sampler that cannot take so many steps', () => ({ sampler: { steps: 21 } }), 'CONFIG_INVALID'],
  [
    'guidance without a null class',
    () => ({ model: { type: 'dit', ...tinyDit, class_dropout_prob: 0 }, sampler: { steps: 1, guidance: 3 } }),
    'OPTION_INVALID',
  ],
  ['initial weights that are missing', (path) => ({ initFrom: join(path, 'none') }), 'CHECKPOINT_NOT_FOUND'],
  ['more images for a probe than there are', () => ({ probe: { every: 1, images: 64 } }), 'OPTION_INVALID'],
];

describe('a configuration that fails', () => {
  it.each(failing)('%s: leaves no folder', async (_, part, code) => {
    const out = join(folder, 'runs', 'deep', 'run');
    let steps = 0;
    const config = { ...quick(4), ...part(folder), out };
    const run = train(config, { hooks: { onStep: () => void steps++ } });
    await expect(run).rejects.toThrowWith({ type: DmError, code });
    expect(steps).toBe(0);
    expect(existsSync(join(folder, 'runs'))).toBe(false);
  });

  it('leaves the run that it was to overwrite', async () => {
    const config = quick(1);
    await train(config);
    const before = filesOf(config.out!);
    for (const [, part, code] of failing) {
      const run = train({ ...config, ...part(folder) }, { overwrite: true });
      await expect(run).rejects.toThrowWith({ type: DmError, code });
    }
    expect(filesOf(config.out!)).toEqual(before);
  });

  it('in its first step restores the run that it was to overwrite, and a step later has replaced it', async () => {
    const { config, failingFirstStep } = await withInfiniteWeights();
    const before = filesOf(config.out);
    expect(Object.keys(before).length).toBeGreaterThan(5);
    const run = train(failingFirstStep(config.out), { overwrite: true });
    await expect(run).rejects.toThrowWith({ code: 'LOSS_NOT_FINITE' });
    expect(filesOf(config.out)).toEqual(before);
    await train({ ...config, seed: 1 }, { overwrite: true });
    expect(Object.keys(filesOf(config.out)).filter((path) => path.includes('overwritten'))).toEqual([]);
    expect(filesOf(config.out)['config.json']).not.toBe(before['config.json']);
  });

  it('leaves files with the names of a run that are of another program, and a new run does not begin there', async () => {
    const { config, failingFirstStep } = await withInfiniteWeights();
    const out = join(folder, 'project');
    mkdirSync(join(out, 'samples'), { recursive: true });
    const foreign = {
      'metrics.jsonl': 'of another program\n',
      'report.html': 'mine',
      'config.json': '{"_class_name": "UNet2DModel"}',
      'samples/photo.png': 'mine',
    };
    for (const [name, text] of Object.entries(foreign)) {
      writeFileSync(join(out, name), text);
      for (const overwrite of [false, true]) {
        const run = train({ ...config, out }, { overwrite });
        await expect(run).rejects.toThrowWith({ code: 'FILE_EXISTS', contains: [out, name.split('/')[0]!] });
      }
      expect(readFileSync(join(out, name), 'utf8')).toBe(text);
      rmSync(join(out, name));
    }
    // Names that no run has.
    const events = 'events.out.tfevents.1700000000.host.1.0';
    for (const name of ['notes.txt', events]) writeFileSync(join(out, name), 'mine');
    await expect(train(failingFirstStep(out))).rejects.toThrowWith({ code: 'LOSS_NOT_FINITE' });
    expect(readdirSync(out).toSorted()).toEqual([events, 'notes.txt', 'samples'].toSorted());
    await train({ ...config, out });
    expect(readFileSync(join(out, events), 'utf8')).toBe('mine');
  });

  it('leaves a folder that was there, and what is in it', async () => {
    const config = quick(1);
    mkdirSync(config.out!);
    writeFileSync(join(config.out!, 'notes.txt'), 'mine');
    await expect(train({ ...config, sampler: { steps: 21 } })).rejects.toThrowWith({ code: 'CONFIG_INVALID' });
    expect(readdirSync(config.out!)).toEqual(['notes.txt']);
  });

  it('in its first step leaves no folder; after a step, what was trained', async () => {
    const { config, failingFirstStep } = await withInfiniteWeights();
    expect(readdirSync(join(config.out, 'checkpoints'))).toEqual(['step-000001']);
    const out = join(folder, 'first');
    await expect(train(failingFirstStep(out))).rejects.toThrowWith({ code: 'LOSS_NOT_FINITE' });
    expect(existsSync(out)).toBe(false);
  });

  it('cannot write its folder: a file is in the way of the folder, or of its samples', async () => {
    const config = quick(1);
    writeFileSync(join(folder, 'file'), '');
    const out = join(folder, 'file', 'run');
    await expect(train({ ...config, out })).rejects.toThrowWith({ code: 'WRITE_FAILED', contains: [out, '--out'] });
    mkdirSync(config.out!);
    writeFileSync(join(config.out!, 'samples'), '');
    await expect(train(config)).rejects.toThrowWith({ code: 'WRITE_FAILED', contains: [config.out!, '--out'] });
    expect(readdirSync(config.out!)).toEqual(['samples']);
  });
});

/** A run that ended in its second step, and configurations whose first step has an infinite loss. */
async function withInfiniteWeights() {
  const diverging = {
    ...quick(4),
    optimizer: { lr: 1e30, maxGradNorm: null },
    maxSkippedSteps: 1,
    checkpoints: { every: 1 },
  };
  await expect(train(diverging)).rejects.toThrowWith({ code: 'LOSS_NOT_FINITE' });
  const { tensors } = parseSafetensors(readFileSync(join(diverging.out!, 'checkpoints/step-000001/ema.safetensors')));
  for (const { data } of Object.values(tensors)) (data as Float32Array).fill(1e30);
  const initFrom = join(folder, 'infinite.safetensors');
  writeFileSync(initFrom, formatSafetensors(tensors));
  const failingFirstStep = (out: string) => ({ ...diverging, initFrom, out });
  return { config: { ...quick(1), out: diverging.out! }, failingFirstStep };
}

it('a resumed run whose data are gone says how to name their new place', async () => {
  const config = { ...quick(4), out: join(folder, 'moved'), budgets: { steps: 1 } };
  await train(config);
  const data = join(folder, 'data.npz');
  renameSync(data, join(folder, 'new.npz'));
  const gone = { type: DmError, code: 'DATA_NOT_FOUND' } as const;
  await expect(train({ out: config.out }, { resume: true })).rejects.toThrowWith({
    ...gone,
    contains: [data, '--data'],
  });
  await train({ out: config.out, data: join(folder, 'new.npz') }, { resume: true });
});
