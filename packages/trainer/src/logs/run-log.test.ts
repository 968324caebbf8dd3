// Whether TensorBoard reads what a run writes is asked of its own reader: needs DM_PYTHON, a Python with tensorboard.
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { imageGrid } from '@dm/data';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readMetrics } from '../run/metrics.js';
import { resolveConfig } from '../config/resolve.js';
import { createRunFolder, runFolder, type RunFolder } from '../run/run-folder.js';
import { metricsRecord } from '../testing/metrics.js';
import { createRunLog } from './run-log.js';
import { Unwritten } from '../files/unwritten.js';

const python = process.env['DM_PYTHON'];
const needs = python === undefined ? ': SKIPPED, set DM_PYTHON to a Python with tensorboard' : '';

let run: RunFolder;
beforeEach(() => {
  run = runFolder(mkdtempSync(join(tmpdir(), 'dm-log-')));
  createRunFolder(run);
});
afterEach(() => rmSync(run.path, { recursive: true, force: true }));

const eventFiles = () => readdirSync(run.path).filter((name) => name.startsWith('events.out.tfevents.'));

const buckets = [
  { from: 0, to: 500, logSnr: 1, noiseRate: 0.2 },
  { from: 500, to: 1000, logSnr: -1, noiseRate: 0.8 },
];
const setting = { buckets, coordinate: 'timestep', data: 'bars', images: 2, seed: 0, prediction: 'v' } as const;

/** A session that logs these steps, with samples at steps that 20 divides. */
async function session(firstStep: number, steps: readonly number[], tensorboard = true) {
  const config = resolveConfig([{ source: 'test', value: { tensorboard } }]);
  const log = createRunLog(run, config, firstStep, new Unwritten());
  const png = await imageGrid(new Float32Array(2 * 64), { shape: [8, 8, 1] });
  for (const step of steps) {
    const more = { 20: { eval: { 'KID-pixels': 0.5 } }, 30: { skipped: 2 } }[step] ?? {};
    log.add(metricsRecord(step, more));
    if (step % 20 === 0) log.addDifficulty({ step, loss: [1 / step, NaN], gradNorm: [2, 3] }, setting);
    if (step % 20 === 0) log.addSample(step, png);
  }
  return { before: log.before, png };
}

/** Three sessions: killed in the middle of a record after step 30, resumed from 10 to 20, and from 20 to the end. */
async function threeSessions() {
  await session(0, [10, 20, 30]);
  appendFileSync(join(run.path, eventFiles()[0]!), Buffer.from([200, 1, 0, 0]));
  await session(10, [20]);
  return session(20, [30, 40]);
}

it('goes on in a file that sorts after those of earlier sessions, though they all began in one second', async () => {
  const { before } = await threeSessions();
  expect(before.map((r) => r.step)).toEqual([10, 20]);
  expect(readMetrics(run.metrics).map((r) => r.step)).toEqual([10, 20, 30, 40]);
  const seconds = eventFiles().map((name) => Number(name.split('.')[3]));
  expect(seconds).toHaveLength(3);
  expect(new Set(seconds).size).toBe(3);
});

it('writes no event file where the configuration says so', async () => {
  await session(0, [10], false);
  expect(eventFiles()).toEqual([]);
});

interface Seen {
  scalars: Record<string, [step: number, value: number][]>;
  images: Record<string, [step: number, width: number, height: number, bytes: number][]>;
  histograms: Record<string, [step: number, limits: number[], heights: number[]][]>;
}

it.skipIf(python === undefined)(`is read by TensorBoard, no step twice and none lost${needs}`, async () => {
  const { png } = await threeSessions();
  const script = fileURLToPath(new URL('../../../../tools/parity/tensorboard_read.py', import.meta.url));
  const { status, stdout, stderr } = spawnSync(python!, [script, run.path], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  const seen = JSON.parse(stdout) as Seen;
  const scalars = Object.keys(seen.scalars).toSorted();
  expect(scalars).toEqual([
    ...['1_0-500', '2_500-1000'].map((name) => `difficulty_gradient_norm/${name}`),
    'difficulty_loss/1_0-500',
    'eval/KID-pixels',
    ...['1_cleanest', '3', '4_noisiest'].map((name) => `loss_by_quarter/${name}`),
    ...['data_wait', 'images_per_second', 'peak_mib'].map((name) => `speed/${name}`),
    ...['beta1', 'ema_decay', 'gradient_norm', 'learning_rate', 'loss', 'skipped_updates'].map(
      (name) => `train/${name}`,
    ),
  ]);
  const loss = seen.scalars['train/loss']!;
  expect(loss.map(([step]) => step)).toEqual([10, 20, 30, 40]);
  for (const [step, value] of loss) expect(value).toBeCloseTo(1 / step, 7);
  expect(seen.scalars['eval/KID-pixels']).toEqual([[20, 0.5]]);
  expect(seen.scalars['train/skipped_updates']).toEqual([
    [10, 0],
    [20, 0],
    [30, 2],
    [40, 0],
  ]);
  const difficulty = seen.scalars['difficulty_loss/1_0-500']!;
  expect(difficulty.map(([step]) => step)).toEqual([20, 40]);
  expect(difficulty[0]![1]).toBeCloseTo(1 / 20, 7);
  const [width, height] = [16, 20].map((offset) => Buffer.from(png).readUInt32BE(offset)); // of its first chunk
  expect(seen.images).toEqual({
    'samples/grid': [20, 40].map((step) => [step, width, height, png.length]),
  });
  const draws = seen.histograms['timesteps/draws']!;
  expect(draws.map(([step]) => step)).toEqual([10, 20, 30, 40]);
  const { drawsByLevel } = metricsRecord(10);
  // Of T = 1000 steps in twenty parts.
  expect(draws[0]).toEqual([10, drawsByLevel!.map((_, i) => 50 * (i + 1)), drawsByLevel]);
});
