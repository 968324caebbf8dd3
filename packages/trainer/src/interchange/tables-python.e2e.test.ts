// python/dm_tables.py samples and schedules as TypeScript does. Needs DM_PYTHON, a Python with NumPy and torch.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { linearSchedule, uniformEach } from '@dm/core';
import {
  createTimestepSchedule,
  lossWeights,
  lossWeightScale,
  snrFromAlphasCumprod,
  type TimestepScheduleName,
} from '@dm/curriculum';
import { writeNpy } from '@dm/data';
import { momentumDecay } from '@dm/optim';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dm } from '../testing/command.js';

const python = process.env['DM_PYTHON'];
const needs = python === undefined ? ': SKIPPED, set DM_PYTHON to a Python with NumPy and torch' : '';
const script = fileURLToPath(new URL('../../../../tools/parity/tables_check.py', import.meta.url));

const [T, totalSteps] = [1000, 50_000];
const { alphasCumprod } = linearSchedule({ numTimesteps: T });
const moments = [0, 12_345, 49_999];
const u = uniformEach({ seed: 1, stream: 'timesteps', step: 0, indices: Array.from({ length: 5000 }, (_, i) => i) });

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dm-tables-'));
  await writeNpy(join(folder, 'u.npy'), { shape: [u.length], data: Float64Array.from(u) });
});
afterAll(() => rmSync(folder, { recursive: true }));

async function table(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await dm(args, folder);
  expect(code, stderr).toBe(0);
}

function run(...args: readonly (string | number)[]): unknown {
  const { status, stdout, stderr } = spawnSync(python!, [script, ...args.map(String)], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}

/** (chi-square - df) / sqrt(2 df): about standard normal. */
function chiSquareScore(counts: readonly number[], density: Float64Array): number {
  const total = counts.reduce((a, b) => a + b, 0);
  const chiSquare = counts.reduce(
    (sum, count, t) => sum + (count - total * density[t]!) ** 2 / (total * density[t]!),
    0,
  );
  return (chiSquare - (T - 1)) / Math.sqrt(2 * (T - 1));
}

describe.skipIf(python === undefined)(`in Python${needs}`, () => {
  it.each<[TimestepScheduleName, 'npz' | 'json']>([
    ['uniform', 'npz'],
    ['clts', 'npz'],
    ['clts', 'json'],
    ['cltsReversed', 'npz'],
    ['cltsCorrected', 'json'],
    ['edm', 'npz'],
    ['speed', 'npz'],
  ])('%s from .%s: the same timesteps from the same uniform numbers, and their weights', async (name, format) => {
    const file = `${name}.${format}`;
    const options = ['--timesteps', String(T), '--steps', String(totalSteps), '--noise-schedule', 'linear'];
    await table('curriculum', 'table', '--schedule', name, '--loss-weighting', 'minSnr', ...options, '--out', file);
    const schedule = createTimestepSchedule(name, { numTimesteps: T, totalSteps, alphasCumprod });
    const minSnr = lossWeights({ name: 'minSnr' }, { snr: snrFromAlphasCumprod(alphasCumprod), prediction: 'v' });
    for (const prediction of ['none', 'v']) {
      const { timesteps, weights } = run('sample', file, 'u.npy', prediction, ...moments) as {
        timesteps: number[][];
        weights: number[][];
      };
      for (const [i, step] of moments.entries()) {
        const own = schedule.sample(step, u);
        expect(timesteps[i]).toEqual(Array.from(own.timesteps));
        const scale = lossWeightScale(minSnr, name === 'cltsCorrected' ? undefined : schedule.density(step));
        const expected = Array.from(own.weights, (w, n) =>
          prediction === 'v' ? scale * w * minSnr[own.timesteps[n]!]! : w,
        );
        expect(Float32Array.from(weights[i]!)).toBeAllClose(expected, { rtol: 1e-6 });
      }
    }
  });

  it('the histogram of drawn timesteps is the density; stratified draws are closer to it', async () => {
    await table('curriculum', 'table', '--schedule', 'clts', '--steps', String(totalSteps), '--out', 'clts.npz');
    const { plain, stratified } = run('histogram', 'clts.npz', 200_000, ...moments) as {
      plain: number[][];
      stratified: number[][];
    };
    const schedule = createTimestepSchedule('clts', { numTimesteps: T, totalSteps });
    for (const [i, step] of moments.entries()) {
      const density = schedule.density(step);
      expect(Math.abs(chiSquareScore(plain[i]!, density))).toBeLessThan(5);
      // At most two of the n equal parts are cut by the borders of a timestep.
      expect(Math.max(...stratified[i]!.map((count, t) => Math.abs(count - 200_000 * density[t]!)))).toBeLessThan(2);
      expect(chiSquareScore(plain[i]!, schedule.density(totalSteps - 1 - step))).toSatisfy(
        (score: number) => step === 12_345 || score > 50,
      );
    }
  });

  it('check_method.py accepts the tables and finds the slips of other implementations', async () => {
    await table('curriculum', 'table', '--schedule', 'clts', '--steps', '1000', '--out', 'checked.npz');
    await table('optim', 'table', '--lr', '0.002', '--steps', '1000', '--out', 'checked-optim.npz');
    expect(run('method', 'checked.npz', 'checked-optim.npz', 1000, 0.002)).toEqual({
      clts: null,
      // Uniform in effect.
      'clts: slipped Gaussian': expect.stringMatching(/^step 250: /),
      'clts: mixed samples': expect.stringMatching(/^step 250: /),
      mdlrc: null,
      'mdlrc: without compensation': expect.stringMatching(/^step 200: lr 0.002, expected 0.00164/),
      'mdlrc: a factor per step': expect.stringMatching(/^step 200: beta1 0\.81/),
      'minSnr: epsilon': null,
      'minSnr: v': null,
      'minSnr: 5 / (1 + SNR)': expect.stringMatching(/^SNR 0.01: weight 4.95/),
    });
  });

  it.each(['AdamW', 'SGD', 'Muon'])('MDLRC sets lr and momentum of %s after the scheduler', async (name) => {
    const type = { AdamW: 'adamW', SGD: 'sgd', Muon: 'muon' }[name]!;
    await table('optim', 'table', '--optimizer', type, '--lr', '0.002', '--steps', '8', '--out', `${name}.npz`);
    const seen = run('optimizer', `${name}.npz`, name, 10) as Record<string, number[]> & { step: number };
    const muon = { lr: 0.02, b0: 0.95 };
    const { lr, beta1 } = momentumDecay({ totalSteps: 8, ...(name === 'Muon' ? muon : { lr: 0.002, b0: 0.9 }) });
    const steps = Array.from({ length: 10 }, (_, step) => Math.min(step, 7));
    expect(seen).toMatchObject({ lr: steps.map(lr), beta1: steps.map(beta1), step: 10 });
    expect(seen['beta2']).toEqual(name === 'AdamW' ? steps.map(() => 0.99) : []);
    // Averaged form, m <- beta m + (1 - beta) g.
    expect(seen['dampening']).toEqual(name === 'SGD' ? steps.map(beta1) : []);
    if (name !== 'SGD') return;
    // From zeros, which PyTorch's first step is not. The loss is w^2.
    let [w, m] = [1, 0];
    const weights = steps.map((step) => {
      m = beta1(step) * m + (1 - beta1(step)) * 2 * w;
      return (w -= lr(step) * m);
    });
    expect(seen['weights']).toBeAllClose(weights, { rtol: 1e-6 });
  });
});
