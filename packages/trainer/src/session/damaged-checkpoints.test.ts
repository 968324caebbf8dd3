// A training in a run whose checkpoints were damaged: nothing good is lost, and the last one is whole.
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { latestCheckpoint } from '../checkpoint/checkpoint-folder.js';
import { readCheckpoint } from '../checkpoint/checkpoint.js';
import type { PartialConfig } from '../config/schema.js';
import { readMetrics } from '../run/metrics.js';
import { runFolder } from '../run/run-folder.js';
import { generateSamples } from '../sampling/generate-samples.js';
import { flipByte } from '../testing/damage.js';
import { tinyConfig, tinyDit, tinyFolder } from '../testing/tiny.js';
import { train, type TrainResult } from '../train.js';

let folder: string;
let out: string;
let checkpoints: string;
beforeEach(async () => {
  folder = await tinyFolder();
  out = join(folder, 'run');
  ({ checkpoints } = runFolder(out));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function config(steps: number, part: PartialConfig = {}): PartialConfig {
  return {
    ...tinyConfig(folder, steps),
    model: { type: 'dit', ...tinyDit },
    checkpoints: { every: 1, keepLast: 3 },
    out,
    ...part,
  };
}

function pathOf(step: number): string {
  return join(checkpoints, `step-${String(step).padStart(6, '0')}`);
}

/** Trains `stop` of `steps` steps. */
async function begin(steps: number, stop: number, part: PartialConfig = {}): Promise<void> {
  await train(config(steps, { ...part, budgets: { steps: stop } }));
}

interface Resumed {
  readonly result: TrainResult;
  readonly notes: readonly string[];
  readonly began: number;
}

async function resume(part: PartialConfig = {}, onCheckpoint?: (step: number) => void): Promise<Resumed> {
  const notes: string[] = [];
  let began = -1;
  const result = await train(
    { out, budgets: { steps: null }, ...part },
    {
      resume: true,
      hooks: {
        onNote: (text) => notes.push(text),
        onStart: ({ step }) => (began = step),
        onCheckpoint: ({ step }) => onCheckpoint?.(step),
      },
    },
  );
  return { result, notes, began };
}

it.each([{}, { extraEmas: { slow: { type: 'fixed', decay: 0.9 } as const } }])(
  'the newest two of three are damaged: the new ones stay, the damaged are set aside (%j)',
  async (part) => {
    await begin(6, 3, part);
    for (const step of [2, 3]) flipByte(join(pathOf(step), 'model.safetensors'), 200);
    const saved: boolean[] = [];
    const { result, notes, began } = await resume({ checkpoints: { every: 1, keepLast: 2 } }, (step) => {
      saved.push(existsSync(pathOf(step)));
    });
    expect(began).toBe(1);
    expect(saved).toEqual([true, true, true, true, true]);
    expect(result.checkpoint).toBe(pathOf(6));
    expect(readCheckpoint(result.checkpoint).manifest.step).toBe(6);
    expect(notes).toHaveLength(2);
    const names = readdirSync(checkpoints);
    expect(names).toEqual(expect.arrayContaining(['step-000002.damaged', 'step-000003.damaged', 'step-000005']));
    // The lowest loss may be one more.
    expect(names.filter((name) => /^step-\d+$/.test(name)).length).toBeLessThanOrEqual(3);
  },
);

it('with one kept, the checkpoint that the session began from stays until a newer one was read back', async () => {
  await begin(4, 2);
  const stayed: boolean[] = [];
  const { result } = await resume({ checkpoints: { every: 1, keepLast: 1 } }, () => stayed.push(existsSync(pathOf(2))));
  expect(stayed).toEqual([true, true]);
  const lowest = readdirSync(checkpoints).filter((name) => name !== 'step-000004');
  expect(lowest.length).toBeLessThanOrEqual(1);
  expect(result.checkpoint).toBe(pathOf(4));
});

describe('the last checkpoint, damaged after it was written,', () => {
  /** Damages the last checkpoint so many times, each time that it is saved. */
  const trainWithDamage = (times: number) => {
    const notes: string[] = [];
    let left = times;
    const damage = (step: number, path: string) => {
      if (step === 3 && left-- > 0) flipByte(join(path, 'optimizer.safetensors'), 1000);
    };
    const hooks = {
      onNote: (text: string) => notes.push(text),
      onCheckpoint: ({ step, path }: { step: number; path: string }) => damage(step, path),
    };
    return { notes, result: train(config(3), { hooks }) };
  };

  it('is saved again: the one that is named was read back', async () => {
    const { notes, result } = trainWithDamage(1);
    expect(readCheckpoint((await result).checkpoint).manifest.step).toBe(3);
    expect(notes).toEqual([expect.stringMatching(/step-000003.*optimizer\.safetensors is damaged/)]);
    expect(existsSync(`${pathOf(3)}.damaged`)).toBe(true);
  });

  it('twice ends the run with the error; the one before stays', async () => {
    await expect(trainWithDamage(2).result).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' });
    expect(latestCheckpoint(checkpoints).checkpoint!.manifest.step).toBe(2);
  });
});

describe('a manifest', () => {
  it('with another step does not skip a step', async () => {
    await begin(4, 3);
    const path = join(pathOf(3), 'manifest.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"step": 3', '"step": 4'));
    const { began, result } = await resume();
    expect(began).toBe(2);
    expect(result.step).toBe(4);
  });

  it('with another configSha256 falls back, also in format 1; a changed config.json is an error', async () => {
    await begin(4, 3);
    const path = join(pathOf(3), 'manifest.json');
    const text = readFileSync(path, 'utf8');
    const damaged = text.replace(/"configSha256": "[0-9a-f]{4}/, '"configSha256": "0000');
    writeFileSync(path, damaged);
    expect((await resume({ budgets: { steps: 1 } })).began).toBe(2);

    for (const step of [1, 2, 3]) {
      const manifest = join(pathOf(step), 'manifest.json');
      writeFileSync(manifest, toFormatOne(readFileSync(manifest, 'utf8')));
    }
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"configSha256": "[0-9a-f]{4}/, '"configSha256": "0000'));
    const again = await resume({ budgets: { steps: 1 } });
    expect(again.began).toBe(2);
    expect(again.notes).toEqual([expect.stringMatching(/step-000003.*configSha256/)]);

    const { config: file } = runFolder(out);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"seed": 0', '"seed": 1'));
    await expect(resume()).rejects.toMatchObject({ code: 'RESUME_MISMATCH' });
    expect(latestCheckpoint(checkpoints).checkpoint!.manifest.step).toBe(3);
  });
});

function toFormatOne(manifest: string): string {
  return manifest.replace('"format": 2', '"format": 1').replace(/,\s*"manifestSha256": "[0-9a-f]*"/, '');
}

it('a checkpoint of a newer format ends the resume, and is left as it is', async () => {
  await begin(4, 3);
  const path = join(pathOf(3), 'manifest.json');
  const text = readFileSync(path, 'utf8').replace('"format": 2', '"format": 9');
  writeFileSync(path, text);
  await expect(resume()).rejects.toMatchObject({ code: 'CHECKPOINT_NEWER' });
  await expect(generateSamples({ run: out, count: 1 })).rejects.toMatchObject({ code: 'CHECKPOINT_NEWER' });
  expect(readFileSync(path, 'utf8')).toBe(text);
});

it('a divergence that stays finite is warned of once, logged and reported, and keeps the checkpoint with the lowest loss', async () => {
  const notes: string[] = [];
  const part = { optimizer: { lr: 0.5, momentumDecay: null }, logEvery: 1, checkpoints: { every: 1, keepLast: 2 } };
  const result = await train(config(12, part), { hooks: { onNote: (text) => notes.push(text) } });
  // Losses .999, 12.2, 63.4, 6.9e4, 2.7e6, ...
  expect(notes).toEqual([expect.stringMatching(/^warning: .*step 3 .*minimum/)]);
  expect(readdirSync(checkpoints).toSorted()).toEqual(['step-000001', 'step-000011', 'step-000012']);
  expect(result.diverged!.lowestLossCheckpoint).toBe(pathOf(1));
  const logged = readMetrics(runFolder(out).metrics).map(({ lossOverMinimum }) => lossOverMinimum);
  expect(logged.slice(0, 2)).toEqual([undefined, undefined]);
  expect(logged.slice(2).every((ratio) => ratio! > 10)).toBe(true);
  expect(result.diverged!.lossOverMinimum).toBe(logged.at(-1));
  expect(readFileSync(result.report!, 'utf8')).toMatch(/3 to 12: loss\D+[\d.e+]+/);
  // It can be started again from.
  await train(config(1, { initFrom: pathOf(1), out: join(folder, 'again') }));
});
