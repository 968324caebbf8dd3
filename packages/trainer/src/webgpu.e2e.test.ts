/** The built command on the device `webgpu`: a software GPU on machines without a card, skipped if there is none. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { skipLoudly } from '@dm/jit/testing';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { latestCheckpoint } from './checkpoint/checkpoint-folder.js';
import { checkEngine } from './setup/check-engine.js';
import { dm, dmJson, start } from './testing/command.js';
import { quickConfig, tinyFolder } from './testing/tiny.js';

let reason: string | undefined;
beforeAll(async () => {
  const report = await checkEngine('onnx', 'webgpu');
  if (!report.works) reason = report.reason;
});

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function training(steps: number, out: string, ...more: string[]): string[] {
  const path = join(folder, 'tiny.json');
  const config = { ...quickConfig(folder, steps), engine: 'onnx', threads: 1, logEvery: 1, checkpoints: { every: 4 } };
  writeFileSync(path, JSON.stringify(config));
  return ['train', '--config', path, '--device', 'webgpu', '--out', out, ...more];
}

function finalWeights(out: string): Record<string, Buffer> {
  const { path } = latestCheckpoint(join(folder, out, 'checkpoints')).checkpoint!;
  const names = readdirSync(path).filter((name) => name.endsWith('.safetensors'));
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(path, name))]));
}

it('trains with a sample grid, then samples', async ({ skip }) => {
  if (reason !== undefined) return skipLoudly(skip, reason);
  const trained = await dm(training(4, 'run', '--sample-every', '4'), folder);
  expect(trained).toMatchObject({ code: 0, stderr: '' });
  expect(readdirSync(join(folder, 'run/samples'))).toContain('step-000004.png');
  const config = JSON.parse(readFileSync(join(folder, 'run/config.json'), 'utf8')) as { device: string };
  expect(config.device).toBe('webgpu');
  const grid = join(folder, 'grid.png');
  const sampled = await dm(['sample', '--run', 'run', '--device', 'webgpu', '--out', grid], folder);
  expect(sampled).toMatchObject({ code: 0, stderr: '' });
  expect(readFileSync(grid).subarray(1, 4).toString()).toBe('PNG');
});

it('is killed and resumes, with the bits of an uninterrupted run', async ({ skip }) => {
  if (reason !== undefined) return skipLoudly(skip, reason);
  await dmJson(training(12, 'whole'), folder);
  const run = start(training(12, 'killed', '--json'), folder);
  await run.said('"event":"step","step":5,');
  run.process.kill('SIGKILL');
  expect((await run.finished).signal).toBe('SIGKILL');
  expect(latestCheckpoint(join(folder, 'killed/checkpoints')).checkpoint!.manifest.step).toBeLessThan(12);
  expect(await dm(['train', '--resume', '--out', 'killed'], folder)).toMatchObject({ code: 0, stderr: '' });
  const whole = finalWeights('whole');
  expect(Object.keys(whole)).toContain('model.safetensors');
  for (const [name, bytes] of Object.entries(finalWeights('killed'))) {
    expect(bytes.equals(whole[name]!), name).toBe(true);
  }
});

it('ends with the saved state if interrupted', async ({ skip }) => {
  if (reason !== undefined) return skipLoudly(skip, reason);
  const run = start(training(4000, 'run', '--json'), folder);
  await run.said('"event":"step","step":2,');
  run.process.kill('SIGINT');
  const { stdout, signal } = await run.finished;
  expect(signal, stdout).toBeNull();
  const steps = [...stdout.matchAll(/"event":"step","step":(\d+),/g)].map(([, step]) => Number(step));
  const { checkpoint } = latestCheckpoint(join(folder, 'run/checkpoints'));
  expect(checkpoint!.manifest.step).toBe(steps.at(-1));
});
