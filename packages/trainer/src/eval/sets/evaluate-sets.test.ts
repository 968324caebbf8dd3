import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, toFloat, writeNpy } from '@dm/data';
import { EvalError } from '@dm/eval';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateSamples } from '../../sampling/generate-samples.js';
import { fakeExtractor } from '@dm/eval/testing';
import { tinyConfig, tinyDit, tinyFolder } from '../../testing/tiny.js';
import { train } from '../../train.js';
import { createProgressBar } from '../../terminal/progress-bar.js';
import { evaluateSets } from './evaluate-sets.js';
import { evaluationLines } from './table.js';
import { UserError } from '../../errors.js';

let folder: string;
let data: string;
let run: string;
beforeAll(async () => {
  folder = await tinyFolder();
  data = join(folder, 'data.npz');
  // Conditional: the classes of the samples matter too.
  const config = tinyConfig(folder, 2);
  run = (await train({ ...config, conditional: true, model: { type: 'dit', ...tinyDit } })).out;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = () => ({ extractor: fakeExtractor(), metrics: ['fid', 'kid'] as const, count: 11 });

describe('evaluateSets', () => {
  it('draws from a run what dm sample draws, whatever the batches', async () => {
    const { images, shape } = await generateSamples({ run, count: 11, seed: 3 });
    const file = join(folder, 'samples.npy');
    await writeNpy(file, { shape: [...shape], data: images });
    const fromRun = await evaluateSets(run, data, { ...options(), seed: 3 });
    const fromFile = await evaluateSets(file, data, { ...options(), seed: 3 });
    expect(fromRun.results).toEqual(fromFile.results);
    expect(fromRun.generated).toMatchObject({ count: 11, shape: [8, 8, 1] });
    expect(fromRun.warnings[0]).toMatch(/run\/checkpoints\/step-000002: EMA.*ddim.*\b2 steps.*seed 3$/);
    const checkpoint = join(run, 'checkpoints', 'step-000002');
    expect((await evaluateSets(checkpoint, data, { ...options(), seed: 3 })).results).toEqual(fromRun.results);
    expect((await evaluateSets(run, data, { ...options(), seed: 4 })).results).not.toEqual(fromRun.results);
  });

  it('keeps the statistics of what does not change, and takes them instead of extracting again', async () => {
    const cache = join(folder, 'cache');
    const batches: string[] = [];
    const onProgress = (name: string) => void batches.push(name);
    const first = await evaluateSets(run, data, { ...options(), cache, onProgress });
    expect(batches).toEqual([first.generated.name, first.reference.name]);
    const [file] = readdirSync(cache);
    expect(readdirSync(cache)).toHaveLength(1);
    const second = await evaluateSets(run, data, { ...options(), cache, onProgress });
    expect(second).toEqual(first);
    expect(batches.slice(2)).toEqual([first.generated.name]);
    // A kept file is a set of its own.
    const third = await evaluateSets(run, join(cache, file!), options());
    expect(third.results).toEqual(first.results);
    const other = { ...options(), extractor: fakeExtractor({ weightsSha256: '0'.repeat(64) }) };
    await expect(evaluateSets(run, join(cache, file!), other)).rejects.toThrow(/different extractors \(weightsSha256/);
    // Damaged: said, and made again.
    writeFileSync(join(cache, file!), 'damaged');
    const notes: string[] = [];
    const fourth = await evaluateSets(run, data, { ...options(), cache, onNote: (text) => void notes.push(text) });
    expect(fourth).toEqual(first);
    expect(notes[0]).toMatch(/cache.*\.npz: .*zip archive.*again/);
  });

  it('takes all of sets that are there, and shows the numbers as a table', async () => {
    const { count: _, ...all } = options();
    const bytes = Uint8Array.from({ length: 30 * 64 }, (_1, i) => (i * i) % 251);
    const file = join(folder, 'bytes.npy');
    await writeNpy(file, { shape: [30, 8, 8], data: toFloat(bytes) });
    const report = await evaluateSets(file, data, all);
    expect([report.generated.count, report.reference.count]).toEqual([30, 23]);
    expect(evaluationLines(report).join('\n')).toMatch(
      /^generated.*bytes\.npy: 30\b.*8x8x1\n.*\nfeatures.*fake, 3\b.*f{16}\n\nFD-fake\s+[\d.]+.*\nKD-fake\s+[\d.e+-]+\s+±\s+[\d.e+-]+.*\n\nNot/,
    );
  });

  it('refuses what it cannot take, by name', async () => {
    await expect(evaluateSets(run, 'mnits', options())).rejects.toThrowWith({
      type: DataError,
      code: 'DATA_UNKNOWN',
      contains: ["'mnits'", 'mean mnist'],
    });
    await expect(evaluateSets(run, data, { ...options(), count: 1 })).rejects.toThrowWith({
      type: UserError,
      code: 'OPTION_INVALID',
      contains: ['--count', 'at least 2', '1'],
    });
    await expect(evaluateSets(run, data, { ...options(), metrics: ['sfid'] })).rejects.toThrowWith({
      type: EvalError,
      code: 'FEATURES_MISSING',
      contains: ['sfid', 'spatial'],
    });
  });
});

describe('createProgressBar', () => {
  it('counts on a terminal and is silent elsewhere', () => {
    const written: string[] = [];
    const write = (text: string) => void written.push(text);
    createProgressBar({ write })('a', 1, 2);
    expect(written).toEqual([]);
    let now = 0;
    const counter = createProgressBar({ isTTY: true, columns: 70, write }, () => now);
    counter('a', 10, 40);
    now = 2000;
    counter('a', 20, 40);
    counter.end();
    expect(written.map((text) => text.replace('\r\u001B[K', ''))).toEqual([
      'a: 10/40  25 %',
      'a: 20/40  50 %  5.00 images/s  ETA 4 s',
      '',
    ]);
  });
});
