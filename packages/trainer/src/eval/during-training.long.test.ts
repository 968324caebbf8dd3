import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readBest, writeBest } from '../checkpoint/best.js';
import { pruneCheckpoints } from '../checkpoint/checkpoint-folder.js';
import { readMetrics } from '../run/metrics.js';
import { runFolder } from '../run/run-folder.js';
import { generateSamples } from '../sampling/generate-samples.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { evaluateSets } from './sets/evaluate-sets.js';
import { openExtractor } from './extractors/extractor.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const config = (steps: number) => ({
  ...tinyConfig(folder, steps),
  evaluation: { every: 2, samples: 8, metrics: ['fid' as const, 'kid' as const], extractor: 'pixels' as const },
  checkpoints: { every: 0, keepLast: 1 },
});

describe('evaluation in training', () => {
  it('logs the numbers that dm eval gives for the checkpoint, and keeps the best one', async () => {
    const notes: string[] = [];
    const run = await train(config(7), { hooks: { onNote: (text) => notes.push(text) } });
    const { metrics, checkpoints } = runFolder(run.out);
    const evaluated = readMetrics(metrics).filter((line) => line.eval !== undefined);
    expect(evaluated.map(({ step }) => step)).toEqual([2, 4, 6, 7]);
    expect(Object.keys(evaluated[0]!.eval!)).toEqual(['FD-pixels', 'KD-pixels']);
    expect(notes[0]).toMatch(/^evaluation: 8 images.*\b64\b/);

    const best = evaluated.toSorted((a, b) => a.eval!['FD-pixels']! - b.eval!['FD-pixels']!)[0]!;
    expect(run.best).toEqual({ step: best.step, metric: 'FD-pixels', value: best.eval!['FD-pixels'] });
    expect(readBest(checkpoints)).toEqual(run.best);
    const kept = readdirSync(checkpoints).filter((name) => name.startsWith('step-'));
    expect(kept).toEqual([...new Set([best.step, 7])].map((step) => `step-00000${step}`));

    const report = await evaluateSets(join(checkpoints, `step-00000${best.step}`), join(folder, 'data.npz'), {
      extractor: await openExtractor('pixels'),
      metrics: ['fid', 'kid'],
      count: 8,
      seed: 0,
    });
    expect((await generateSamples({ run: run.out, best: true, count: 2 })).checkpoint).toBe(
      join(checkpoints, `step-00000${best.step}`),
    );
    expect(report.results.map(({ value }) => value)).toEqual(Object.values(best.eval!));
  });

  it('goes on from the best of the log when it is resumed', async () => {
    const unbroken = await train({ ...config(6), out: join(folder, 'unbroken') });
    const stop = new AbortController();
    const onStep = (step: number) => step === 3 && stop.abort();
    await train(config(6), { signal: stop.signal, hooks: { onStep } });
    const resumed = await train(config(6), { resume: true });
    expect(resumed.best).toEqual(unbroken.best);
    const evaluations = (out: string) =>
      readMetrics(runFolder(out).metrics).map(({ step, eval: values }) => [step, values]);
    expect(evaluations(resumed.out).filter(([, values]) => values !== undefined)).toEqual(
      evaluations(unbroken.out).filter(([, values]) => values !== undefined),
    );
  });

  it('begins a new best if a resumed run is evaluated in another way, and says so', async () => {
    const { evaluation, ...rest } = { ...config(8), checkpoints: { every: 2, keepLast: 9 } };
    const { out } = await train({ ...rest, evaluation, budgets: { steps: 4 } });
    const { checkpoints } = runFolder(out);
    const resume = async (samples: number, steps: number) => {
      const notes: string[] = [];
      const hooks = { onNote: (text: string) => notes.push(text) };
      await train({ out, evaluation: { ...evaluation, samples }, budgets: { steps } }, { resume: true, hooks });
      return notes.filter((text) => text.includes('evaluations after step'));
    };
    // Fewer samples have larger distances: none of them is below the former best.
    expect(await resume(2, 2)).toEqual([expect.stringContaining('step 4')]);
    expect(readBest(checkpoints)).toMatchObject({ step: 6 });
    expect(await resume(2, 2)).toEqual([]);
    expect(readBest(checkpoints)!.step).toBeGreaterThan(4);
  });

  it('is not the best if its checkpoint could not be saved', async () => {
    // Hardly any change of the weights: all evaluations have the same value.
    const same = { ...config(4), optimizer: { lr: 1e-30 }, checkpoints: { every: 0, keepLast: 9, overlap: 0 } };
    const { checkpoints } = runFolder(same.out!);
    const onStep = (step: number) => {
      if (step !== 1) return;
      // A checkpoint of a later version is not replaced.
      mkdirSync(join(checkpoints, 'step-000002'));
      writeFileSync(join(checkpoints, 'step-000002', 'manifest.json'), '{"format": 99}');
    };
    const { best } = await train(same, { hooks: { onStep } });
    expect(best).toMatchObject({ step: 4 });
    expect(readBest(checkpoints)).toEqual(best);
  });

  it('is not made where it is not asked for, and refuses too few samples', async () => {
    const run = await train({ ...config(2), evaluation: { every: 0 } });
    expect(run.best).toBeUndefined();
    await expect(generateSamples({ run: run.out, best: true })).rejects.toThrow('has no best checkpoint');
    expect(existsSync(join(runFolder(run.out).checkpoints, 'best.json'))).toBe(false);
    expect(readMetrics(runFolder(run.out).metrics).every((line) => line.eval === undefined)).toBe(true);
    await expect(train({ ...config(2), evaluation: { samples: 1 }, out: join(folder, 'other') })).rejects.toThrow(
      /evaluation\.samples/,
    );
  });
});

describe('best.json', () => {
  it('keeps its checkpoint from being pruned; a damaged one is as good as none', async () => {
    const { out } = await train({ ...config(6), evaluation: { every: 0 }, checkpoints: { every: 1, keepLast: 6 } });
    const { checkpoints } = runFolder(out);
    writeBest(checkpoints, { step: 2, metric: 'FD-pixels', value: 1 });
    pruneCheckpoints(checkpoints, { keepLast: 2 });
    expect(readdirSync(checkpoints)).toEqual(['best.json', 'step-000002', 'step-000005', 'step-000006']);
    expect(JSON.parse(readFileSync(join(checkpoints, 'best.json'), 'utf8'))).toEqual(readBest(checkpoints));
    writeFileSync(join(checkpoints, 'best.json'), '{"step":');
    expect(readBest(checkpoints)).toBeUndefined();
    pruneCheckpoints(checkpoints, { keepLast: 2 });
    expect(readdirSync(checkpoints)).toEqual(['best.json', 'step-000005', 'step-000006']);
  });
});
