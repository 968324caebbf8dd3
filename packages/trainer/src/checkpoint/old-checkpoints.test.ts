// A checkpoint of every format ever written, from the version that wrote it, goes on training in this one.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseSafetensors } from '@dm/models';
import { checkpointFormat } from './manifest-format.js';
import { sha256 } from '../files/hash.js';
import { readMetrics } from '../run/metrics.js';
import type { MetricsRecord } from '../run/metrics-record.js';
import { withAddedFields, withoutAddedFields } from '../config/training-text.js';
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
    expect(notes.filter((note) => !note.startsWith('resumed on'))).toEqual([]);
    const trained = readMetrics(join(out, 'metrics.jsonl'));
    expect(trained.map(({ step }) => step)).toEqual([2, 4, 6, 8]);
    trained.forEach((record, i) => {
      for (const value of ['loss', 'gradNorm', 'lr', 'beta1', 'emaDecay'] satisfies (keyof MetricsRecord)[]) {
        expect(record[value], `${value} of step ${record.step}`).toBeCloseTo(expected[i]![value], 5);
      }
    });
    expect((await generateSamples({ run: out, count: 2 })).shape).toEqual([2, ...shapeOf(format, run)]);
  });
});

/** Of the images that a run makes: 8x8, or what it cuts out of them. */
function shapeOf(format: string, run: string): number[] {
  const { crop } = JSON.parse(readFileSync(join(fixtures, format, run, 'config.json'), 'utf8')) as {
    crop?: { size: number } | null;
  };
  const side = crop?.size ?? 8;
  return [side, side, 1];
}

// Their final.json has the SHA-256 of every file of the last checkpoint as the version that began them made it; they ran
// on an engine of plain JavaScript, whose numbers are the same on every machine. The learned uncertainty is differentiated
// otherwise since: its run has the final weights themselves.
const exact = runs.filter((path) => existsSync(join(fixtures, ...path, 'final.json')));
describe.each(exact)('%s, %s', (format, run) => {
  it('ends with the bits of then, also if it dies between its migration and its next checkpoint', async () => {
    const [fixture, out] = [join(fixtures, format, run), join(folder, 'run')];
    cpSync(fixture, out, { recursive: true });
    const config = { out, data: join(folder, 'data.npz'), budgets: { steps: null } };
    const onStep = () => {
      throw new Error('died');
    };
    await expect(train(config, { resume: true, hooks: { onStep } })).rejects.toThrow('died');
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toHaveProperty('lossWeighting.type');
    const notes: string[] = [];
    const { checkpoint } = await train(config, { resume: true, hooks: { onNote: (text) => notes.push(text) } });
    expect(notes).toEqual([]);
    expect(differences(fixture, checkpoint)).toEqual([]);
  });
});

/** Files of a checkpoint that are not those of then; of a fixture with its final weights, tensors that are off by 1e-6. */
function differences(fixture: string, checkpoint: string): string[] {
  const weights = join(fixture, 'final', 'model.safetensors');
  if (existsSync(weights)) {
    const read = (path: string) => parseSafetensors(readFileSync(path)).tensors;
    const now = read(join(checkpoint, 'model.safetensors'));
    const isOff = (name: string, data: ArrayLike<number>) =>
      Array.from(data).some((value, i) => !(Math.abs(now[name]!.data[i]! - value) < 1e-6));
    return Object.entries(read(weights)).flatMap(([name, { data }]) => (isOff(name, data) ? [name] : []));
  }
  const final = JSON.parse(readFileSync(join(fixture, 'final.json'), 'utf8')) as Record<string, string>;
  return Object.keys(final).filter((name) => sha256(readFileSync(join(checkpoint, name))) !== final[name]);
}

describe('fields younger than a run', () => {
  const added = { gradientAccumulation: 1, 'optimizer.type': 'adamW', 'probe.depth': 2 };

  it('say what was done before, where the run has their place and not their value', () => {
    const saved = { seed: 3, optimizer: { lr: 1, type: 'lion' }, model: { type: 'unet' } };
    expect(withAddedFields(saved, added)).toEqual({ ...saved, gradientAccumulation: 1 });
    expect(withAddedFields({ optimizer: { lr: 1 } }, added)).toEqual({
      gradientAccumulation: 1,
      optimizer: { lr: 1, type: 'adamW' },
    });
  });

  it('of one type of a part', () => {
    const ofType = { 'optimizer[muon].orthogonalize': 'all' };
    expect(withAddedFields({ optimizer: { type: 'adamW' } }, ofType)).toEqual({ optimizer: { type: 'adamW' } });
    const saved = { optimizer: { type: 'muon' } };
    const filled = withAddedFields(saved, ofType);
    expect(filled).toEqual({ optimizer: { type: 'muon', orthogonalize: 'all' } });
    expect(withoutAddedFields(filled, ofType)).toEqual(saved);
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
