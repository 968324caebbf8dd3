// Snapshots of averages during training, and averages that are reconstructed from them.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatSafetensors, parseSafetensors } from '@dm/models';
import { postHocEmaCoefficients } from '@dm/optim';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../checkpoint/checkpoint.js';
import { emaSnapshotBytes, listEmaSnapshots } from '../checkpoint/ema-snapshots.js';
import type { PartialConfig } from '../config/schema.js';
import { UserError } from '../errors.js';
import { runFolder } from '../run/run-folder.js';
import { generateSamples } from '../sampling/generate-samples.js';
import { rankConfig, trainedOn } from '../testing/ranks.js';
import { tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { exportModel } from './export.js';
import { reconstructEma } from './reconstruct-ema.js';

let folder: string;
let run: string;
const part = {
  emaSnapshots: { every: 2 },
  extraEmas: { same: { type: 'karras', relativeStd: 0.1 } },
  checkpoints: { every: 2, keepLast: 1 },
  totalSteps: 6,
} satisfies PartialConfig;

beforeAll(async () => {
  folder = await tinyFolder();
  run = (await train(rankConfig(folder, 'run', part))).out;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** All values of a file with weights, by tensor name in alphabetical order. */
function valuesOf(path: string): number[] {
  const { tensors } = parseSafetensors(readFileSync(path));
  return Object.keys(tensors)
    .toSorted()
    .flatMap((name) => [...tensors[name]!.data]);
}

const snapshotFiles = (of: string) => {
  const path = join(folder, of, 'ema-snapshots');
  return Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name))]));
};

describe('snapshots', () => {
  it('are stored at the interval, in two widths by default, and outlive pruned checkpoints', () => {
    const expected = [2, 4, 6].flatMap((step) => [0.05, 0.1].map((relativeStd) => ({ step, relativeStd })));
    expect(listEmaSnapshots(runFolder(run))).toMatchObject(expected);
    expect(readdirSync(join(run, 'checkpoints')).length).toBeLessThan(3);
  });

  it('contain the average of that width', () => {
    const tracked = valuesOf(join(run, 'checkpoints/step-000006/ema-same.safetensors'));
    expect(valuesOf(join(run, 'ema-snapshots/step-000006-0.1.safetensors'))).toEqual(tracked);
  });

  it('in float16 have half the bytes, and the values rounded', async () => {
    const emaSnapshots = { every: 4, dtype: 'float16' as const, relativeStds: [0.1] };
    await train(rankConfig(folder, 'half', { ...part, emaSnapshots }));
    expect(Object.keys(snapshotFiles('half'))).toEqual(['step-000004-0.1.safetensors', 'step-000006-0.1.safetensors']);
    const [half, whole] = ['half', 'run'].map((name) =>
      join(folder, name, 'ema-snapshots', 'step-000006-0.1.safetensors'),
    );
    expect(valuesOf(half!)).toBeAllClose(valuesOf(whole!), { rtol: 2 ** -11, atol: 2 ** -25 });
    expect(valuesOf(half!)).not.toEqual(valuesOf(whole!));
    expect(statSync(half!).size).toBeLessThan(0.7 * statSync(whole!).size);
  });

  it('of a resumed run, and of two ranks, have the same bytes', async () => {
    await train(rankConfig(folder, 'resumed', { ...part, budgets: { steps: 3 } }));
    await train({ out: join(folder, 'resumed'), budgets: { steps: null } }, { resume: true });
    expect(snapshotFiles('resumed')).toEqual(snapshotFiles('run'));
    await trainedOn(2, rankConfig(folder, 'together', part));
    await train(rankConfig(folder, 'alone', { ...part, gradientAccumulation: 2 }));
    expect(snapshotFiles('together')).toEqual(snapshotFiles('alone'));
  });

  it('are counted in the disk space of a run', () => {
    const config = { emaSnapshots: { every: 4, dtype: 'float16' }, totalSteps: 10 };
    const setup = { config, layout: { size: 100 } } as unknown as Parameters<typeof emaSnapshotBytes>[0];
    expect([0, 3, 4, 9].map((step) => emaSnapshotBytes(setup, step))).toEqual([1200, 1200, 800, 400]);
  });
});

describe('reconstruction', () => {
  it('of a width that was stored is that snapshot, as a run that can be sampled and exported', async () => {
    const out = join(folder, 'stored');
    const result = await reconstructEma({ run, relativeStd: 0.1, step: 4, out });
    expect(result).toMatchObject({ out, step: 4, relativeStd: 0.1, snapshots: 4 });
    expect(result.profileError).toBeLessThan(1e-6);
    const stored = valuesOf(join(run, 'ema-snapshots/step-000004-0.1.safetensors'));
    const exported = join(folder, 'stored.safetensors');
    await exportModel({ run: out, out: exported });
    expect(valuesOf(exported)).toBeAllClose(stored, { atol: 1e-6 });
    expect((await generateSamples({ run: out, count: 2 })).shape).toEqual([2, 8, 8, 1]);
    expect(readCheckpoint(join(out, 'checkpoints/step-000004')).manifest.step).toBe(4);
  });

  it('is the combination of all snapshots until then, here as a file', async () => {
    const out = join(folder, 'combined.safetensors');
    await reconstructEma({ run, relativeStd: 0.07, out });
    const snapshots = listEmaSnapshots(runFolder(run));
    const { coefficients } = postHocEmaCoefficients(
      snapshots.map(({ step, relativeStd }) => ({ time: step, relativeStd })),
      { time: 6, relativeStd: 0.07 },
    );
    const parts = snapshots.map(({ path }) => valuesOf(path));
    const sums = parts[0]!.map((_, k) => parts.reduce((sum, values, i) => sum + coefficients[i]! * values[k]!, 0));
    expect(valuesOf(out)).toBeAllClose(sums, { atol: 1e-6 });
    expect(parseSafetensors(readFileSync(out)).metadata).toMatchObject({ weights: expect.stringContaining('0.07') });
  });

  it('that cannot be done is refused by name', async () => {
    const out = join(folder, 'refused');
    const refused = (options: object, expected: { code?: string; contains: string | string[] }) =>
      expect(reconstructEma({ run, relativeStd: 0.1, out, ...options })).rejects.toThrowWith({
        type: UserError,
        ...expected,
      });
    await refused({ relativeStd: 0.3 }, { contains: ['--relative-std', '0.28', '0.3'] });
    await refused({ step: 5 }, { code: 'CHECKPOINT_NOT_FOUND', contains: ['--step 5', 'nearest'] });
    await refused({ out: run }, { code: 'FILE_EXISTS', contains: run });
    const damaged = join(folder, 'damaged');
    cpSync(run, damaged, { recursive: true });
    const path = join(damaged, 'ema-snapshots/step-000002-0.05.safetensors');
    writeFileSync(path, readFileSync(path).subarray(0, 100));
    await refused({ run: damaged }, { code: 'CHECKPOINT_INVALID', contains: path });
    writeFileSync(path, formatSafetensors({ x: { dtype: 'float32', shape: [1], data: Float32Array.of(1) } }));
    await refused({ run: damaged }, { code: 'CHECKPOINT_INVALID', contains: path });
    rmSync(join(damaged, 'ema-snapshots'), { recursive: true });
    mkdirSync(join(damaged, 'ema-snapshots'));
    await refused(
      { run: damaged },
      {
        code: 'CHECKPOINT_NOT_FOUND',
        contains: [damaged, 'emaSnapshots.every'],
      },
    );
    expect(readdirSync(folder)).not.toContain('refused');
  });
});
