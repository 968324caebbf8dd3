// A finished run is trained further with its moments, under schedules of the new length.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { latestCheckpoint } from './checkpoint-folder.js';
import type { PartialConfig } from '../config/schema.js';
import { readMetrics } from '../run/metrics.js';
import { runFolder } from '../run/run-folder.js';
import { generateSamples } from '../sampling/generate-samples.js';
import { quickConfig, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const quick = (steps: number) => quickConfig(folder, steps);

/** The files of a run's newest checkpoint except the manifest, which has the hash of the configuration. */
function finalFiles(out: string): Record<string, string> {
  const { path } = latestCheckpoint(runFolder(out).checkpoints).checkpoint!;
  const names = readdirSync(path).filter((name) => name !== 'manifest.json');
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(path, name), 'base64')]));
}

function stopAt(step: number) {
  const stop = new AbortController();
  return { signal: stop.signal, hooks: { onStep: (done: number) => void (done === step && stop.abort()) } };
}

const recorded = (out: string) => JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as Record<string, unknown>;

it('with constant schedules the result is that of a run of the new length, to the bit', async () => {
  const constant: PartialConfig = {
    curriculum: 'uniform',
    optimizer: { momentumDecay: null, lrSchedule: 'constant' },
    logEvery: 1,
  };
  const long = join(folder, 'long');
  await train({ ...quick(7), ...constant, out: long });
  const { out } = await train({ ...quick(4), ...constant });
  const notes: string[] = [];
  const extended = await train({ out }, { extend: 3, hooks: { onNote: (text) => notes.push(text) } });
  expect(extended).toMatchObject({ status: 'finished', step: 7, totalSteps: 7, out });
  expect(notes[0]).toMatch(/\b4\b.*\b7 steps/);
  expect(finalFiles(out)).toEqual(finalFiles(long));
  const losses = (path: string) => readMetrics(runFolder(path).metrics).map(({ step, loss }) => [step, loss]);
  expect(losses(out)).toEqual(losses(long));
});

it('lays schedules out over the new total, records the history, and is resumed to the same bytes', async () => {
  const scheduled: PartialConfig = {
    optimizer: { momentumDecay: null, lrSchedule: { type: 'linear', finalRatio: 0 } },
    checkpoints: { every: 1, keepLast: 20 },
    logEvery: 1,
  };
  const runs = ['unbroken', 'stopped'].map((name) => join(folder, name));
  for (const out of runs) await train({ ...quick(4), ...scheduled, out });
  const [unbroken, stopped] = runs as [string, string];
  const firstSha256 = latestCheckpoint(runFolder(unbroken).checkpoints).checkpoint!.manifest.configSha256;
  await train({ out: unbroken }, { extend: 4 });
  const lr = readMetrics(runFolder(unbroken).metrics).map((line) => line.lr);
  const [peak] = lr;
  expect(lr).toBeAllClose(
    [4 / 4, 3 / 4, 2 / 4, 1 / 4, 4 / 8, 3 / 8, 2 / 8, 1 / 8].map((part) => part * peak!),
    { rtol: 1e-6 },
  );
  expect(recorded(unbroken)).toMatchObject({
    totalSteps: 8,
    recorded: { extensions: [{ totalSteps: 4, configSha256: firstSha256 }] },
  });

  expect(await train({ out: stopped }, { extend: 4, ...stopAt(6) })).toMatchObject({ status: 'stopped', step: 6 });
  expect(await train({ out: stopped }, { resume: true })).toMatchObject({ status: 'finished', step: 8 });
  expect(finalFiles(stopped)).toEqual(finalFiles(unbroken));
  // Killed before its first checkpoint, the extension continues from one of the former length.
  for (const step of [5, 6, 7, 8]) rmSync(join(stopped, `checkpoints/step-00000${step}`), { recursive: true });
  expect(await train({ out: stopped }, { resume: true })).toMatchObject({ status: 'finished', step: 8 });
  expect(finalFiles(stopped)).toEqual(finalFiles(unbroken));

  // A second time; checkpoints of all lengths stay readable.
  await train({ out: stopped }, { extend: 1 });
  expect((recorded(stopped)['recorded'] as { extensions: { totalSteps: number }[] }).extensions).toMatchObject([
    { totalSteps: 4 },
    { totalSteps: 8 },
  ]);
  for (const step of [2, 8, 9]) {
    const checkpoint = join(stopped, `checkpoints/step-00000${step}`);
    expect((await generateSamples({ checkpoint, count: 1, steps: 1 })).images).toHaveLength(64);
  }
  // From before an extension: trained again, which is reported.
  for (const step of [4, 5, 6, 7, 8, 9]) rmSync(join(stopped, `checkpoints/step-00000${step}`), { recursive: true });
  const notes: string[] = [];
  const again = await train({ out: stopped }, { resume: true, hooks: { onNote: (text) => notes.push(text) } });
  expect(again).toMatchObject({ status: 'finished', step: 9 });
  expect(notes.filter((text) => /step 3\b.*step 8\b/.test(text))).toHaveLength(1);
});

it('is refused for a run that is not finished, with other options, and for a number of steps that is none', async () => {
  const config = quick(4);
  await train(config, stopAt(2));
  const before = recorded(config.out!);
  await expect(train({ out: config.out }, { extend: 2 })).rejects.toThrowWith({
    code: 'RESUME_MISMATCH',
    contains: ['2 of 4 steps', 'train --resume'],
  });
  await train({ out: config.out }, { resume: true });
  for (const part of [
    { totalSteps: 9 },
    { batchSize: 3 },
    { seed: 3 },
    { model: 'unet' },
    { preset: 'cifar10' },
  ] as PartialConfig[]) {
    await expect(train({ out: config.out, ...part }, { extend: 2 })).rejects.toThrowWith({
      code: 'RESUME_MISMATCH',
      contains: [Object.keys(part)[0]!],
    });
  }
  for (const extend of [0, -1, 1.5, NaN]) {
    await expect(train({ out: config.out }, { extend })).rejects.toThrowWith({ code: 'OPTION_INVALID' });
  }
  for (const options of [{ resume: true }, { overwrite: true }]) {
    await expect(train({ out: config.out }, { extend: 2, ...options })).rejects.toThrowWith({ code: 'OPTION_INVALID' });
  }
  expect(recorded(config.out!)).toEqual(before);
  // Fields that do not change the training are free.
  expect(await train({ out: config.out, logEvery: 1, samples: 1 }, { extend: 2 })).toMatchObject({ step: 6 });
});
