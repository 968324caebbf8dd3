// How ranks of mpirun end: by SIGUSR2, with which batch systems announce the end of a job, and by errors that all have.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { launch, mpiLaunchers } from '@dm/mpi/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { latestCheckpoint } from '../checkpoint/checkpoint-folder.js';
import type { PartialConfig } from '../config/schema.js';
import { isLocked } from '../run/lock.js';
import { dm } from '../testing/command.js';
import { checkpointFiles, rankConfig } from '../testing/ranks.js';
import { tinyFolder } from '../testing/tiny.js';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const steps = 60;

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Arguments of a training that is saved every 10 steps. */
function training(name: string, totalSteps = steps): string[] {
  const config: PartialConfig = rankConfig(folder, name, {
    totalSteps,
    checkpoints: { every: 10, keepLast: 9 },
  });
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify(config));
  return ['train', '--config', path];
}

/** Node options with which a process sends itself SIGUSR2 if `rank` is its rank and the expression `condition` becomes true. */
function signaling(rank: number, condition: () => string): string[] {
  const path = join(folder, 'signal.mjs');
  writeFileSync(
    path,
    `import { existsSync } from 'node:fs';
     import { isMainThread } from 'node:worker_threads';
     const rank = process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK ?? '0';
     const send = () => process.kill(process.pid, 'SIGUSR2');
     if (isMainThread && rank === '${rank}') {
       if (${condition()}) send();
       else {
         const poll = setInterval(() => {
           if (!(${condition()})) return;
           clearInterval(poll);
           send();
         }, 5);
         poll.unref();
       }
     }`,
  );
  return ['--import', pathToFileURL(path).href];
}

/** Node options with which each rank writes its exit code to a file. */
function savingExitCode(): string[] {
  const path = join(folder, 'save-exit-code.mjs');
  const prefix = JSON.stringify(join(folder, 'exit-code-'));
  writeFileSync(
    path,
    `import { writeFileSync } from 'node:fs';
     import { isMainThread } from 'node:worker_threads';
     const rank = process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK;
     if (isMainThread) process.on('exit', (code) => writeFileSync(${prefix} + rank, String(code)));`,
  );
  return ['--import', pathToFileURL(path).href];
}

const savedExitCode = (rank: number) => Number(readFileSync(join(folder, `exit-code-${rank}`), 'utf8'));

const exists =
  (...parts: string[]) =>
  () =>
    `existsSync(${JSON.stringify(join(folder, ...parts))})`;
const firstSave = exists('run', 'checkpoints', 'step-000010');

/** The step of the newest checkpoint of `run`. */
function savedStep(): number | undefined {
  return latestCheckpoint(join(folder, 'run', 'checkpoints'), []).checkpoint?.manifest.step;
}

const lastOf = (name: string) => checkpointFiles(join(folder, name, 'checkpoints', `step-0000${steps}`));

describe.skipIf(process.platform === 'win32')('SIGUSR2', () => {
  it('to a single process saves and ends with 140; the run resumes bit-identically', async () => {
    const env = { ...process.env, NODE_OPTIONS: signaling(0, firstSave).join(' ') };
    const stopped = await dm(training('run'), folder, { env });
    expect(stopped).toMatchObject({ code: 140, stderr: expect.stringContaining('SIGUSR2') as string });
    expect(savedStep()).toBeLessThan(steps);
    expect(await dm(['train', '--resume', '--out', 'run'], folder)).toMatchObject({ code: 0 });
    expect(await dm(training('whole'), folder)).toMatchObject({ code: 0 });
    expect(lastOf('run')).toEqual(lastOf('whole'));
  });

  it.each([
    ['before any module of dm is loaded', () => 'true'],
    ['while the data are opened', exists('run', 'run.lock')],
  ])('%s ends with 140 and leaves nothing', async (_, condition) => {
    const env = { ...process.env, NODE_OPTIONS: signaling(0, condition).join(' ') };
    const { code, signal } = await dm(training('run'), folder, { env });
    expect(signal === 'SIGUSR2' ? 140 : code).toBe(140);
    expect(readdirSync(folder)).not.toContain('run');
  });
});

describe.each(mpiLaunchers())('under mpirun of $name, SIGUSR2', (launcher) => {
  const resume = [cli, 'train', '--resume', '--out'];

  it.each([0, 1])(
    'to rank %i saves and ends all with 140; the run resumes bit-identically',
    { timeout: 600_000 },
    async (rank) => {
      const stopped = launch(launcher, 2, [...signaling(rank, firstSave), cli, ...training('run')]);
      const { code } = await stopped.ended;
      expect(code).toBe(140);
      expect(savedStep()).toBeLessThan(steps);
      expect(readdirSync(join(folder, 'run'))).not.toContain('run.lock');
      expect((await launch(launcher, 2, [...resume, join(folder, 'run')]).ended).code).toBe(0);
      expect((await launch(launcher, 2, [cli, ...training('whole')]).ended).code).toBe(0);
      expect(lastOf('run')).toEqual(lastOf('whole'));
    },
  );

  // Neither launcher forwards both without ending the ranks soon afterwards.
  const [signal, exitCode] = launcher.name === 'MPICH' ? (['SIGTERM', 143] as const) : (['SIGUSR2', 140] as const);
  // MPICH before 4.1 forgets the codes of ranks that end at nearly the same time after a signal to the launcher.
  const codesOfLauncher = launcher.name === 'MPICH' ? [exitCode, 0] : [exitCode];

  it(`or ${signal}, to the launcher saves and ends all ranks with ${exitCode}`, async () => {
    // The run must not end before the launcher has forwarded the signal.
    const { child, ended } = launch(launcher, 2, [...savingExitCode(), cli, ...training('run', 1_000_000)]);
    await vi.waitUntil(() => existsSync(join(folder, 'run', 'checkpoints', 'step-000010')), { timeout: 200_000 });
    child.kill(signal);
    expect(codesOfLauncher).toContain((await ended).code);
    expect([0, 1].map(savedExitCode)).toEqual([exitCode, exitCode]);
    await vi.waitUntil(() => !isLocked(join(folder, 'run')), { timeout: 60_000 });
    expect(savedStep()).toBeGreaterThanOrEqual(10);
    expect(readdirSync(join(folder, 'run'))).not.toContain('run.lock');
  });

  it.each([
    ['before any module of dm is loaded', () => 'true'],
    ['while the data are opened', exists('run', 'run.lock')],
  ])('%s ends all, and leaves nothing', async (_, condition) => {
    const { code } = await launch(launcher, 2, [...signaling(1, condition), cli, ...training('run')]).ended;
    expect(code).not.toBe(0);
    await vi.waitUntil(() => !isLocked(join(folder, 'run')), { timeout: 60_000 });
    expect(savedStep()).toBeUndefined();
    const again = await launch(launcher, 2, [cli, ...training('run'), '--set', 'budgets.steps=2']).ended;
    expect(again.code).toBe(0);
  });

  it('a requeued job takes over the lock that a killed attempt left on another host', async () => {
    const args = [cli, ...training('run'), '--set', 'budgets.steps=2'];
    expect((await launch(launcher, 2, args).ended).code).toBe(0);
    const lock = join(folder, 'run', 'run.lock');
    const left = { pid: process.pid, host: 'elsewhere', id: 'x', job: 'big/7', attempt: 0 };
    writeFileSync(lock, JSON.stringify(left));
    const slurm = { SLURM_CLUSTER_NAME: 'big', SLURM_JOB_ID: '7' };
    const further = [...resume, join(folder, 'run'), '--set', 'budgets.steps=1'];
    expect((await launch(launcher, 2, further, { ...slurm, SLURM_RESTART_COUNT: '0' }).ended).code).not.toBe(0);
    expect(readFileSync(lock, 'utf8')).toBe(JSON.stringify(left));
    expect((await launch(launcher, 2, further, { ...slurm, SLURM_RESTART_COUNT: '1' }).ended).code).toBe(0);
    expect(savedStep()).toBe(3);
  });
});

describe.each(mpiLaunchers())('under mpirun of $name', (launcher) => {
  it.each([
    ['an unknown field', ['--set', 'nonsense=1'], 'nonsense'],
    ['options that contradict each other', ['--overwrite', '--resume'], '--resume'],
    ['an unknown option', ['--nonsense'], '--nonsense'],
  ])('%s is reported once', async (_, flags, name) => {
    const { code, error } = await launch(launcher, 3, [cli, ...training('run'), ...flags]).ended;
    expect(code).toBe(1);
    expect(error.match(/^error: .*$/gm)).toEqual([expect.stringContaining(name)]);
    expect(error).not.toContain('MPI_ABORT');
    expect(readdirSync(folder)).not.toContain('run');
  });

  it('an unknown option is reported even if the first rank is the slowest', async () => {
    const slow = join(folder, 'slow.mjs');
    const wait = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)';
    writeFileSync(slow, `if ((process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK) === '0') ${wait};`);
    const args = ['--import', pathToFileURL(slow).href, cli, ...training('run'), '--nonsense'];
    const { code, error } = await launch(launcher, 3, args).ended;
    expect(code).toBe(1);
    expect(error.match(/^error: .*$/gm)).toEqual([expect.stringContaining('--nonsense')]);
  });

  it('a dry run is reported once, and refuses a batch that the ranks do not divide', async () => {
    const args = [cli, ...training('run'), '--dry-run', '--json'];
    const { code, out } = await launch(launcher, 2, args).ended;
    const events = out.trim().split('\n');
    expect(code).toBe(0);
    expect(events.map((line) => (JSON.parse(line) as { readonly event: string }).event)).toEqual(['plan', 'dryRun']);
    const refused = await launch(launcher, 3, args).ended;
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.out)).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('3 ranks'),
    });
  });
});
