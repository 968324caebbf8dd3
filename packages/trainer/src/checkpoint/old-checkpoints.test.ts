// A checkpoint of every format ever written, from the version that wrote it, goes on training in this one.
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkpointFormat } from './checkpoint.js';
import { readMetrics, type MetricsRecord } from '../run/metrics.js';
import { withAddedFields, withoutAddedFields } from '../config/saved-config.js';
import { generateSamples } from '../sampling/generate-samples.js';
import { tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';

const fixtures = fileURLToPath(new URL('./fixtures', import.meta.url));
const formats = readdirSync(fixtures).filter((name) => name.startsWith('format-'));
const runs = formats.flatMap((format) => readdirSync(join(fixtures, format)).map((run) => [format, run] as const));

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('there is one of each format', () => {
  expect(formats.toSorted()).toEqual(Array.from({ length: checkpointFormat }, (_, i) => `format-${i + 1}`).toSorted());
});

// metrics.jsonl of a fixture is that of its unbroken run of 8 steps; its checkpoint is of step 5, within a log line.
describe.each(runs)('%s, %s', (format, run) => {
  it('trains on as it would have then', async () => {
    const out = join(folder, 'run');
    cpSync(join(fixtures, format, run), out, { recursive: true });
    const expected = readMetrics(join(out, 'metrics.jsonl'));
    const notes: string[] = [];
    const result = await train(
      { out, data: join(folder, 'data.npz') },
      { resume: true, hooks: { onNote: (text) => notes.push(text) } },
    );
    expect(result).toMatchObject({ status: 'finished', step: 8 });
    expect(notes.filter((note) => !note.startsWith('resumed on another engine'))).toEqual([]);
    const trained = readMetrics(join(out, 'metrics.jsonl'));
    expect(trained.map(({ step }) => step)).toEqual([2, 4, 6, 8]);
    trained.forEach((record, i) => {
      for (const value of ['loss', 'gradNorm', 'lr', 'beta1', 'emaDecay'] satisfies (keyof MetricsRecord)[]) {
        expect(record[value], `${value} of step ${record.step}`).toBeCloseTo(expected[i]![value], 5);
      }
    });
    expect((await generateSamples({ run: out, count: 2 })).shape).toEqual([2, 8, 8, 1]);
  });
});

describe('fields younger than a run', () => {
  const added = { gradientAccumulation: 1, 'optimizer.name': 'adamW', 'model.config.depth': 2 };

  it('say what was done before, where the run has their place and not their value', () => {
    const saved = { seed: 3, optimizer: { lr: 1, name: 'lion' }, model: { type: 'unet' } };
    expect(withAddedFields(saved, added)).toEqual({ ...saved, gradientAccumulation: 1 });
    expect(withAddedFields({ optimizer: { lr: 1 } }, added)).toEqual({
      gradientAccumulation: 1,
      optimizer: { lr: 1, name: 'adamW' },
    });
  });

  it('count only where they say something else', () => {
    const before = { seed: 3, optimizer: { lr: 1 } };
    expect(withoutAddedFields(withAddedFields(before, added), added)).toEqual(before);
    expect(withoutAddedFields({ ...before, gradientAccumulation: 2 }, added)).toEqual({
      ...before,
      gradientAccumulation: 2,
    });
  });
});
