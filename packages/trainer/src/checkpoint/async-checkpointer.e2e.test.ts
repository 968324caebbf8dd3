// Saving beside the steps, with the built command: from the sources there is no thread for it.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { latestCheckpoint } from './checkpoint-folder.js';
import { dm, start } from '../testing/command.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Arguments of a tiny run that logs each step and saves every `every`. */
function training(steps: number, every: number, out: string, ...more: string[]): string[] {
  const path = join(folder, 'tiny.json');
  writeFileSync(
    path,
    JSON.stringify({ ...tinyConfig(folder, steps), logEvery: 1, checkpoints: { every, keepLast: 3 } }),
  );
  return ['train', '--config', path, '--out', out, '--json', ...more];
}

const slow = { env: { ...process.env, DM_TEST_SLOW_WRITE: '2' } };

function events(stdout: string) {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string; step?: number; text?: string });
}

function checkpointFiles(out: string, step: number): Record<string, string> {
  const path = join(folder, out, 'checkpoints', `step-${String(step).padStart(6, '0')}`);
  return Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name)).toString('base64')]));
}

it('steps go on while a checkpoint is written, as many as asked for; it holds what its step left', async () => {
  const [slowly, quickly] = await Promise.all([
    dm(training(12, 4, 'slow', '--engine', 'onnx', '--set', 'checkpoints.overlap=3'), folder, slow),
    dm(training(12, 4, 'quick', '--engine', 'onnx'), folder),
  ]);
  expect(slowly).toMatchObject({ code: 0, stderr: '' });
  const seen = events(slowly.stdout);
  const at = (event: string, step: number) => seen.findIndex((e) => e.event === event && e.step === step);
  expect(at('checkpoint', 4)).toBeGreaterThan(at('step', 5));
  expect(at('checkpoint', 4)).toBeLessThan(at('step', 7));
  // The end waits for the last.
  expect(seen.slice(-2).map(({ event }) => event)).toEqual(['checkpoint', 'end']);
  expect(quickly.code).toBe(0);
  for (const step of [4, 8, 12]) expect(checkpointFiles('slow', step)).toEqual(checkpointFiles('quick', step));
});

it('no step counts before the save of the step before it is there, unless that was asked for', async () => {
  const { code, stdout } = await dm(training(6, 2, 'run', '--engine', 'onnx'), folder, slow);
  expect(code).toBe(0);
  const order = events(stdout).filter(({ event }) => event === 'step' || event === 'checkpoint');
  expect(order.map(({ event, step }) => `${event} ${step}`)).toEqual(
    [1, 2, 3, 4, 5, 6].flatMap((step) => [`step ${step}`, ...(step % 2 === 0 ? [`checkpoint ${step}`] : [])]),
  );
});

it('a signal waits for the checkpoint in flight and saves its own', async () => {
  const run = start(training(100_000, 10, 'run', '--set', 'checkpoints.overlap=5'), folder, slow);
  await run.said('"event":"step","step":11');
  run.process.kill('SIGTERM');
  const { code, stdout } = await run.finished;
  expect(code).toBe(143);
  const saved = events(stdout).filter((e) => e.event === 'checkpoint');
  const last = events(stdout).at(-1)!;
  expect(saved.map(({ step }) => step)).toEqual([10, last.step]);
  expect(latestCheckpoint(join(folder, 'run/checkpoints')).checkpoint!.manifest.step).toBe(last.step);
});
