/**
 * One rank of the built command fails at a random step: all processes end, and the run resumes from its last checkpoint.
 * `nx run mpi:kill` requires MPI. DM_MPI_KILLS sets the number of failures (default 5), DM_MPI_SEED repeats them.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { uniform } from '@dm/core';
import { launch, mpiLaunchers } from '@dm/mpi/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { latestCheckpoint } from './checkpoint/checkpoint-folder.js';
import { train } from './train.js';
import { isLocked } from './run/lock.js';
import { rankConfig } from './testing/ranks.js';
import { tinyFolder } from './testing/tiny.js';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const count = Number(process.env['DM_MPI_KILLS'] ?? 5);
const seed = Number(process.env['DM_MPI_SEED'] ?? Date.now() % 1_000_000);
const steps = 200;

/** What the failing rank does, in a timer. */
const failures = {
  'is killed': `process.kill(process.pid, 'SIGKILL')`,
  throws: `throw new Error('a bug on one rank')`,
  'exits with 0': 'process.exit(0)',
  stops: `process.kill(process.pid, 'SIGSTOP')`,
};

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const cases = Array.from({ length: count }, (_, index) => {
  const [a, b] = uniform({ seed, stream: 'order', step: 0, index }, 2) as unknown as [number, number];
  const names = Object.keys(failures) as (keyof typeof failures)[];
  return { name: names[index % names.length]!, rank: Math.floor(3 * a), after: Math.floor(50 + 1500 * b) };
});

describe.each(mpiLaunchers())(`under mpirun of $name (seed ${seed})`, (launcher) => {
  it.each(cases)('all end if rank $rank $name $after ms after its first checkpoint', async ({ name, rank, after }) => {
    const config = rankConfig(folder, 'run', {
      batchSize: 6,
      totalSteps: steps,
      checkpoints: { every: 2, keepLast: 2 },
    });
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, engine: 'onnx', threads: 1 }));
    // Loaded before the command: once there is a checkpoint, the chosen rank fails.
    writeFileSync(
      join(folder, 'fail.mjs'),
      `import { existsSync, readdirSync } from 'node:fs';
       const folder = ${JSON.stringify(join(config.out!, 'checkpoints'))};
       const rank = process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK;
       const poll = rank !== '${rank}' ? undefined : setInterval(() => {
         if (!existsSync(folder) || !readdirSync(folder).some((name) => /^step-\\d+$/.test(name))) return;
         clearInterval(poll);
         setTimeout(() => { ${failures[name]} }, ${after});
       }, 20);
       poll?.unref();`,
    );
    const args = ['--import', join(folder, 'fail.mjs'), cli, 'train', '--config', join(folder, 'config.json')];
    const { code, error } = await launch(launcher, 3, args, { DM_MPI_STALL_SECONDS: '3' }).ended;
    expect(code, error).not.toBe(0);
    expect(error).toContain(name === 'stops' ? `rank ${rank} on` : '');
    // The launcher may end a moment before the processes that it kills.
    await vi.waitUntil(() => !isLocked(config.out!), { timeout: 60_000, interval: 100 });
    const { checkpoint } = latestCheckpoint(join(config.out!, 'checkpoints'), []);
    expect(checkpoint).toBeDefined();
    const { step } = checkpoint!.manifest;
    const resumed = await train({ out: config.out, budgets: { steps: 2 } }, { resume: true });
    expect(resumed.step).toBe(Math.min(step + 2, steps));
    expect(readdirSync(config.out!)).not.toContain('run.lock');
  });
});
