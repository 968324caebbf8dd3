// google/ddpm-cifar10-32, with a quarter of its channels, is imported and sampled as in diffusers: tools/parity/cifar_fixture.py.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openOnnxEngine } from '@dm/jit';
import type { Engine } from '@dm/ops';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PartialConfig } from '../config/schema.js';
import { savedConfig } from '../config/saved-config.js';
import { runFolder } from '../run/run-folder.js';
import { cifarTrajectory, fixture, writeCifarPipeline } from '../testing/cifar.js';
import { importPipeline } from './import.js';

let folder: string;
let run: string;
let engine: Engine;
const notes: string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dm-cifar-'));
  const pipeline = join(folder, 'ddpm-cifar10-32');
  mkdirSync(pipeline);
  writeCifarPipeline(pipeline);
  run = join(folder, 'run');
  await importPipeline({ folder: pipeline, out: run, onNote: (note) => notes.push(note) });
  engine = await openOnnxEngine();
});
afterAll(async () => {
  await engine.dispose();
  rmSync(folder, { recursive: true });
});

it('is imported with its sampler, without notes', () => {
  expect(notes).toEqual([]);
  expect(savedConfig(runFolder(run)).value).toMatchObject({
    conditional: false,
    diffusion: { schedule: { type: 'linear' }, timesteps: 1000 },
    sampler: { type: 'ddpm', steps: 1000, variance: 'fixedLarge', clipping: { type: 'range', max: 1 } },
  });
});

const samplers: readonly ['ddpm' | 'ddim', NonNullable<PartialConfig['sampler']>][] = [
  ['ddpm', { steps: 10 }],
  ['ddim', { type: 'ddim', steps: 10 }],
];

it.each(samplers)('x after each of 10 steps of %s is that of diffusers', async (name, sampler) => {
  const rows = await cifarTrajectory(run, engine, sampler);
  expect(rows.length).toBe(10);
  for (const [k, row] of rows.entries()) expect(row, `step ${k}`).toBeAllClose(fixture[name][k]!, { atol: 1e-4 });
});
