// Trains on a graphics card with PyTorch; here, on the CPU. Needs DM_PYTHON, a Python with torch and diffusers, whose
// source may be in DIFFUSERS_SRC.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { prepareData } from './data.js';
import { baseline, cardRecipes, fastest, method } from './recipes.js';
import type { TrialResult } from './results.js';
import { runCardTrial } from './run-card-trial.js';
import { runOf, runTrial, type TrialContext } from './run-trial.js';
import { smoke, type Size } from './sizes.js';
import { finals, type Trial } from './trials.js';

const home = join(import.meta.dirname, '..');
const python = process.env['DM_PYTHON'];
const needs = python === undefined ? ': SKIPPED, set DM_PYTHON to a Python with torch and diffusers' : '';
const hasScheduleFree = python !== undefined && spawnSync(python, ['-c', 'import schedulefree']).status === 0;

const rates = { epsilon: { constant: 2e-3, decayed: 2e-3, scheduleFree: 2e-3 } };
const tiny: Size = {
  ...smoke,
  name: 'card',
  recipes: cardRecipes,
  secondary: [],
  endpoints: ['E1'],
  validationDraws: 2,
};
const trialOf = (size: Size, name: string): Trial =>
  finals(size, rates, [101]).findLast(({ recipe }) => recipe.name === name)!;

describe.skipIf(python === undefined)(`a trial with PyTorch${needs}`, () => {
  let folder: string;
  let data: TrialContext['data'];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dm-card-'));
    data = await prepareData(folder, smoke);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const context = (size: Size, cache: string): TrialContext => ({
    project: home,
    cache: join(folder, cache),
    size,
    data,
    extractor: () => Promise.reject(new Error('not needed')),
    until: Infinity,
    threads: null,
    device: 'cpu',
  });

  it('trains and measures as the trainer does, apart from the random numbers', async () => {
    const size = { ...tiny, steps: 200, warmup: 10 };
    const trial: Trial = { ...trialOf(size, method.name), stage: 'tuning' };
    const own = (await runTrial(trial, context({ ...size, name: 'smoke' }, 'own')))!;
    const other = (await runCardTrial(trial, context(size, 'torch')))!;
    const [x, y] = [own, other].map(({ points }) => points[0]!.losses['ema']!);
    expect(x!.geometricMean).toBeLessThan(0.7);
    expect(Math.abs(Math.log(y!.geometricMean / x!.geometricMean))).toBeLessThan(0.1);
    for (const [i, loss] of x!.buckets.entries())
      expect(Math.abs(Math.log(y!.buckets[i]! / loss!)), `${i}`).toBeLessThan(0.25);
  });

  it.each([method.name, ...(hasScheduleFree ? [fastest.name] : [])])(
    'continues as if uninterrupted: %s',
    async (name) => {
      const trial = trialOf(tiny, name);
      const whole = context(tiny, `whole-${name}`);
      const expected = (await runCardTrial(trial, whole)) as TrialResult;
      expect(expected.points[0]!.losses['ema']!.buckets).toHaveLength(10);
      // The same run, ended after half of its steps.
      const request = JSON.parse(readFileSync(join(runOf(trial, whole), 'request.json'), 'utf8')) as { steps: number };
      const parts = join(folder, `parts-${name}`);
      const start = (change: object) => {
        const path = join(folder, `request-${name}.json`);
        writeFileSync(path, JSON.stringify({ ...request, measureAt: [2, 4], out: parts, ...change }));
        return spawnSync(python!, [join(home, 'card', 'train.py'), path], { encoding: 'utf8' });
      };
      const run = (steps: number) => {
        const { status, stdout, stderr } = start({ steps });
        expect(status, stderr).toBe(0);
        return JSON.parse(stdout) as { points: { step: number; buckets: number[] }[] };
      };
      mkdirSync(parts);
      expect(run(2).points.map(({ step }) => step)).toEqual([2]);
      const other = start({ steps: 4, lr: 1e-4 });
      expect(other.status).not.toBe(0);
      expect(other.stderr).toContain('of another run');
      const { points } = run(4);
      expect(points.map(({ step }) => step)).toEqual([2, 4]);
      const losses = expected.points[0]!.losses['ema']!.buckets;
      for (const [i, loss] of points[1]!.buckets.entries()) expect(loss / losses[i]!).toBeCloseTo(1, 5);
      // The averaged weights that were measured, and the checkpoint.
      const kept = readdirSync(join(parts, 'checkpoints')).toSorted();
      expect(kept).toEqual(['latest.pt', 'lock', 'step-000002', 'step-000004']);
    },
  );

  it('is not started twice, and saves a checkpoint when it is told to stop', async () => {
    const trial = trialOf(tiny, method.name);
    const whole = context(tiny, 'stopped');
    await runCardTrial(trial, whole);
    const request = JSON.parse(readFileSync(join(runOf(trial, whole), 'request.json'), 'utf8')) as object;
    const out = join(folder, 'stopped-parts');
    mkdirSync(out);
    const path = join(folder, 'request-stopped.json');
    writeFileSync(path, JSON.stringify({ ...request, steps: 1_000_000, measureAt: [1], out }));
    const args = [join(home, 'card', 'train.py'), path];
    const first = spawn(python!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(first, 'close');
    let printed = '';
    first.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
    await vi.waitUntil(() => existsSync(join(out, 'checkpoints/latest.pt')), { timeout: 120_000, interval: 100 });
    const second = spawnSync(python!, args, { encoding: 'utf8' });
    expect(second.status).not.toBe(0);
    expect(second.stderr).toContain('another process');
    first.kill('SIGTERM');
    expect(await ended).toEqual([143, null]);
    expect(printed).toBe('');
    writeFileSync(path, JSON.stringify({ ...request, steps: 1_000_000, measureAt: [1], out, seconds: 0 }));
    const next = spawnSync(python!, args, { encoding: 'utf8' });
    const { unfinished, step } = JSON.parse(next.stdout) as { readonly unfinished: boolean; readonly step: number };
    expect(unfinished).toBe(true);
    // The last one that was saved without being told to is of step 1.
    expect(step).toBeGreaterThan(1);
  });

  it('has the measuring points of the baseline', async () => {
    const result = await runCardTrial(trialOf(tiny, baseline.name), context(tiny, 'baseline'));
    expect(result!.points.map(({ step }) => step)).toEqual([2, 4, 8, 16]);
  });
});
