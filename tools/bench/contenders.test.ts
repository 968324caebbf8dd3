// Runs tiny contenders in processes, as the benchmark does.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unet2d } from '@dm/models';
import { modelCaseState } from '@dm/models/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Case, optimizer } from './cases.mjs';
import { type Contender, contenders } from './contenders.mjs';
import { formulaWeights } from './contenders/formula.mjs';
import { runContender } from './run-contender.mjs';

const tiny: Case = {
  name: 'tiny',
  kind: 'training',
  model: 'UNet2DModel',
  config: {},
  batch: 1,
};
const settings = { optimizer, threads: 1, steps: 1, warmup: 0, seconds: 1 };

/** Runs this JavaScript as a contender. */
async function run(code: string, seconds = 60) {
  const folder = mkdtempSync(join(tmpdir(), 'dm-contender-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const contender: Contender = { name: 'made up', command: () => [process.execPath, '-e', code], request: {}, seconds };
  return runContender(contender, tiny, { ...settings, scratch: folder });
}

describe('a contender', () => {
  it('receives the case and returns its last line of output', async () => {
    const timing = await run(`
      const { case: { name }, threads } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
      console.log('noise');
      console.log(JSON.stringify({ ms: [threads], name, omp: process.env.OMP_NUM_THREADS, cpuSeconds: 1e6 }));
    `);
    expect(timing).toEqual({ ms: [1], name: 'tiny', omp: '1', cpuSeconds: 1e6, othersBusy: 0 });
  });

  it('that is not installed is skipped with a reason', async () => {
    await expect(run(`console.error('a\\nno such package'); process.exit(3)`)).resolves.toBe('no such package');
  });

  it('whose program does not exist is skipped', async () => {
    const contender: Contender = { name: 'x', command: () => ['no-such-program'], request: {}, seconds: 1 };
    await expect(runContender(contender, tiny, { ...settings, scratch: '' })).resolves.toBe(
      'spawn no-such-program ENOENT',
    );
  });

  it('that exceeds its time limit is killed with its child processes', async () => {
    const code = `
      const { spawn } = require('node:child_process');
      spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { stdio: 'inherit' });
      setTimeout(() => {}, 60000);
    `;
    // A surviving child would hold the output open for a minute.
    await expect(run(code, 1)).resolves.toBe('timed out after 1 s');
  });

  it('that fails is reported, and the exit code becomes 1', async () => {
    const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
    onTestFinished(() => {
      reported.mockRestore();
      process.exitCode = undefined;
    });
    await expect(run(`throw new Error('broken')`)).resolves.toBe('failed: Error: broken');
    for (const text of ['made up', 'tiny', 'broken']) expect(reported.mock.calls[0][0]).toContain(text);
    expect(process.exitCode).toBe(1);
  });

  it('that a signal ends is reported with the signal', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {});
    onTestFinished(() => {
      vi.restoreAllMocks();
      process.exitCode = undefined;
    });
    await expect(run(`process.kill(process.pid, 'SIGSEGV')`)).resolves.toBe('failed: ended by SIGSEGV');
  });

  it('that is unfit for a case is skipped', async () => {
    const cpu = contenders.find(({ name }) => name === 'tfjs-cpu')!;
    await expect(runContender(cpu, tiny, { ...settings, scratch: '' })).resolves.toContain('too slow');
  });
});

it('the contenders use the same weights as the test cases of @dm/models', () => {
  const model = unet2d({
    sample_size: 8,
    block_out_channels: [8, 16],
    down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
    norm_num_groups: 4,
    num_class_embeds: 3,
  });
  expect(formulaWeights(model).params).toEqual(modelCaseState(model)['params']?.data);
});
