// All 1000 steps of DDPM, the default of google/ddpm-cifar10-32, are those of diffusers: tools/parity/cifar_fixture.py.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openOnnxEngine } from '@dm/jit';
import { expect, it, onTestFinished } from 'vitest';
import { cifarTrajectory, fixture, writeCifarPipeline } from '../testing/cifar.js';
import { importPipeline } from './import.js';

it('x after every 100th of 1000 steps of ddpm', { timeout: 240_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dm-cifar-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [pipeline, run] = [join(folder, 'ddpm-cifar10-32'), join(folder, 'run')];
  mkdirSync(pipeline);
  writeCifarPipeline(pipeline);
  await importPipeline({ folder: pipeline, out: run });
  const engine = await openOnnxEngine();
  const rows = await cifarTrajectory(run, engine, {});
  await engine.dispose();
  expect(rows.length).toBe(1000);
  const every = rows.filter((_, k) => (k + 1) % 100 === 0);
  for (const [i, row] of every.entries()) {
    expect(row, `step ${100 * (i + 1)}`).toBeAllClose(fixture.thousand[i]!, { atol: 1e-4 });
  }
});
