import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { quickConfig, tinyFolder } from '../testing/tiny.js';
import { createProgram } from './program.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What `dm train` prints on standard output. It is stopped as by a signal once it has printed its estimate. */
async function printed(...args: readonly string[]): Promise<string> {
  let text = '';
  const output = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    if (/^about|"estimate"/.test(String(chunk))) process.emit('SIGTERM', 'SIGTERM');
    return true;
  });
  const messages = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    await createProgram().parseAsync(['train', '--out', join(folder, 'run'), ...args], { from: 'user' });
    return text;
  } finally {
    output.mockRestore();
    messages.mockRestore();
    process.exitCode = undefined;
  }
}

/** Arguments of a new run of `steps` steps. */
function config(steps: number): string[] {
  const path = join(folder, 'config.json');
  const { out: _, ...others } = quickConfig(folder, steps);
  writeFileSync(path, JSON.stringify({ ...others, checkpoints: { every: 1000 } }));
  return ['--config', path];
}

it('reports the steps of the session that took the time', async () => {
  expect(await printed(...config(5), '--step-budget', '3')).toMatch(/ step 3 of 5;/);
  expect(await printed('--resume', '--step-budget', 'null')).toMatch(/^Trained 2 steps .* 5 in all/m);
  expect(await printed('--extend', '1')).toMatch(/^Trained 1 step .* 6 in all/m);
  expect(await printed(...config(3), '--overwrite')).toMatch(/^Trained 3 steps in \d+ s\.$/m);
});

it('estimates the time of the session within its budgets', async () => {
  const many = config(100_000_000);
  expect(await printed(...many, '--step-budget', '6')).not.toMatch(/^about /m);
  const resume = ['--resume', '--step-budget', 'null', '--time-budget'];
  expect(await printed(...resume, '1000')).toMatch(/^about 16 min .* budgets, at /m);
  expect(await printed(...resume, '1000', '--json')).toMatch(/"event":"estimate","seconds":(9\d\d|1000)}/);
  expect(await printed(...resume, 'null')).toMatch(/^about \d+ h .* steps, at /m);
});
