import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import type { Experiment } from './experiment.js';
import { runExperiment, trainingRunner } from './run-experiment.js';

const { argv, exitCode } = process;
afterEach(() => {
  process.argv = argv;
  process.exitCode = exitCode;
  vi.restoreAllMocks();
});

const experiment: Experiment = {
  name: 'none',
  summary: '',
  claim: '',
  setup: () => [],
  stages: [],
  conclude: () => {
    throw new Error('concluded');
  },
};

it.each(['--workers=0.5', '--workers=0', '--threads=1.5', '--threads=many', '--minutes=0'])(
  'refuses %s',
  async (flag) => {
    const printed = vi.spyOn(console, 'error').mockReturnValue();
    const home = mkdtempSync(join(tmpdir(), 'dm-experiment-'));
    process.argv = [...argv.slice(0, 2), flag];
    await runExperiment(experiment, home, trainingRunner);
    rmSync(home, { recursive: true });
    const [name, value] = flag.split('=');
    expect(printed.mock.calls).toEqual([[expect.stringMatching(`^${name} must be .* got ${value}\\.$`)]]);
    expect(process.exitCode).toBe(1);
  },
);
