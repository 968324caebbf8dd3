// However a training ends, its state is saved, its lock is released, and the first error is the one that is shown.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { imageGrid } from '@dm/data';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { latestCheckpoint } from '../checkpoint/checkpoint-folder.js';
import { readMetrics } from '../run/metrics.js';
import { dm, dmWithFileLimit, jsonOf, start, type Finished } from '../testing/command.js';
import { filesOf } from '../testing/files-of.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';
import type { PartialConfig } from '../config/schema.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const many = 100_000;

function training(steps: number, part: PartialConfig = {}): string[] {
  const path = join(folder, 'tiny.json');
  const config = { ...tinyConfig(folder, steps), logEvery: 1, checkpoints: { every: many, keepLast: 9 }, ...part };
  writeFileSync(path, JSON.stringify(config));
  return ['train', '--config', path, '--out', 'run'];
}

/** Steps of the newest checkpoint and of the last line of the log; whether a lock is there. */
function left() {
  const run = join(folder, 'run');
  return {
    saved: latestCheckpoint(join(run, 'checkpoints')).checkpoint?.manifest.step,
    logged: readMetrics(join(run, 'metrics.jsonl')).at(-1)?.step,
    locks: readdirSync(run).filter((name) => name.startsWith('run.lock')),
  };
}

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Names of checkpoints that are being written, or were left unfinished. */
function partials(): string[] {
  return readdirSync(join(folder, 'run/checkpoints')).filter((name) => name.endsWith('.partial'));
}

async function logged(): Promise<void> {
  const path = join(folder, 'run/metrics.jsonl');
  while (!existsSync(path) || readFileSync(path, 'utf8') === '') await pause(20);
}

/** The last step that was done is saved and logged, and nobody holds the run. */
function expectAllSaved(): void {
  const { saved, logged: last, locks } = left();
  expect(saved).toBeGreaterThan(0);
  expect({ saved, locks }).toEqual({ saved: last, locks: [] });
}

describe.skipIf(process.platform === 'win32')('a signal', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
    ['SIGINT', 130],
  ] as const)('%s saves and ends with %i', async (signal, code) => {
    const run = start(training(many), folder);
    await run.said('step ');
    run.process.kill(signal);
    expect(await run.finished).toMatchObject({ code, stderr: expect.stringContaining(signal) });
    expectAllSaved();
  });

  it('twice within a moment is one request', async () => {
    const run = start(training(many), folder);
    await run.said('step ');
    run.process.kill('SIGTERM');
    run.process.kill('SIGTERM');
    expect(await run.finished).toMatchObject({ code: 143 });
    expectAllSaved();
  });

  it.each([
    ['SIGINT', 'SIGINT', 130],
    ['SIGTERM', 'SIGTERM', 143],
    ['SIGINT', 'SIGTERM', 143],
  ] as const)(
    '%s, and %s while that save is being written, end at once; the run resumes',
    { timeout: 600_000 },
    async (first, second, code) => {
      // A save takes several seconds: it writes hundreds of chunks.
      const env = { ...process.env, DM_TEST_SLOW_WRITE: '10' };
      const run = start(training(many, { checkpoints: { every: 3, keepLast: 9 } }), folder, { env });
      while (!existsSync(join(folder, 'run/checkpoints/step-000003'))) await pause(20);
      const acknowledged = once(run.process.stderr!, 'data');
      run.process.kill(first);
      await acknowledged;
      // Signals within half a second of the first count as the same request.
      await pause(600);
      while (partials().length === 0) await pause(5);
      run.process.kill(second);
      expect(await run.finished).toMatchObject({ code });
      const before = left();
      expect(partials()).toHaveLength(1);
      expect(before.saved).toBeGreaterThanOrEqual(3);
      expect(before.logged! - before.saved!).toBeLessThanOrEqual(3);
      expect(before.locks).toEqual([]);
      const next = await dm(['train', '--resume', '--out', 'run', '--set', 'budgets.steps=1'], folder);
      expect(next).toMatchObject({ code: 0, stderr: '' });
      expect(left().saved).toBe(before.saved! + 1);
      expect(partials()).toEqual([]);
    },
  );

  it.skipIf(spawnSync('nohup', ['true']).status !== 0)('SIGHUP under nohup is ignored, SIGUSR1 always', async () => {
    // Not replaced by `dm`, bash passes on the name of nohup as a person's shell does.
    const run = inBash('nohup "$@" < /dev/null & echo $! > pid; wait $!', training(many));
    await logged();
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'));
    for (const signal of ['SIGHUP', 'SIGUSR1'] as const) process.kill(pid, signal);
    const seen = readMetrics(join(folder, 'run/metrics.jsonl')).length;
    while (readMetrics(join(folder, 'run/metrics.jsonl')).length < seen + 5) {
      process.kill(pid, 0); // throws if it has ended
      await pause(50);
    }
    process.kill(pid, 'SIGTERM');
    const { code, stderr } = await run;
    expect(code).toBe(143);
    expect(stderr).not.toMatch(/Debugger/);
    expectAllSaved();
  });
});

/** Runs `dm` by a script of bash, whose `$@` it is. */
function inBash(script: string, args: readonly string[]): Promise<Pick<Finished, 'code' | 'stderr'>> {
  const child = spawn('bash', ['-c', script, 'bash', process.execPath, cli, ...args], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => (stderr += String(text)));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stderr })));
}

describe.skipIf(process.platform === 'win32')('an output that nobody reads, or that cannot be written,', () => {
  it('does not end a training, whose signals still save', async () => {
    const run = start(training(many), folder);
    await run.said('step ');
    run.process.stdout!.destroy();
    run.process.stderr!.destroy();
    await pause(500);
    run.process.kill('SIGTERM');
    expect(await run.finished).toMatchObject({ code: 143 });
    expectAllSaved();
  });

  it.skipIf(!existsSync('/dev/full'))('nor does a full disk behind both', async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [cli, ...training(many)], { cwd: folder, stdio: ['ignore', full, full] });
    await logged();
    child.kill('SIGTERM');
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(143);
    expectAllSaved();
  });

  it.skipIf(!existsSync('/dev/full'))('is an error of commands whose product it is', async () => {
    const { code, stderr } = await inBash('"$@" > /dev/full', ['config', 'schema']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/standard output .*ENOSPC/) });
  });
});

describe('data that vanish', () => {
  it('end the training with their error, after the last whole step was saved; once they are back it goes on', async () => {
    const pictures = join(folder, 'pictures');
    mkdirSync(pictures);
    const gray = (shade: number) => imageGrid(new Float32Array(64).fill(shade), { shape: [8, 8, 1] });
    const images = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((n) => gray(n / 8)));
    const restore = () => images.forEach((bytes, n) => writeFileSync(join(pictures, `${n}.png`), bytes));
    restore();
    const run = start([...training(many), '--data', 'folder:pictures', '--image-size', '8'], folder);
    await run.said('step ');
    rmSync(pictures, { recursive: true });
    const { code, stdout, stderr } = await run.finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: pictures.[0-7]\.png/);
    expect(stdout).toMatch(/step \d+ was saved.*--resume/);
    expectAllSaved();
    mkdirSync(pictures);
    restore();
    const { saved } = left();
    const resumed = await dm(['train', '--resume', '--out', 'run', '--set', 'budgets.steps=2'], folder);
    expect(resumed).toMatchObject({ code: 0, stderr: '' });
    expect(left().saved).toBe(saved! + 2);
  });
});

/** An environment in which opening or removing a path that matches is refused while there is a file `refuse`. */
function refusing(pattern: string, code: string): NodeJS.ProcessEnv {
  const path = join(folder, 'refusing.mjs');
  writeFileSync(
    path,
    `import fs from 'node:fs';
     import { syncBuiltinESMExports } from 'node:module';
     const refuse = (name) => {
       const call = fs[name];
       fs[name] = (...args) => {
         const path = String(args[0]);
         if (new RegExp(${JSON.stringify(pattern)}).test(path) && fs.existsSync('refuse')) {
           throw Object.assign(new Error('${code}: refused, ' + name + ' ' + path), { code: '${code}' });
         }
         return call(...args);
       };
     };
     for (const name of ['openSync', 'appendFileSync', 'renameSync', 'rmSync', 'unlinkSync']) refuse(name);
     syncBuiltinESMExports();`,
  );
  return { ...process.env, NODE_OPTIONS: `--import ${pathToFileURL(path).href}` };
}

describe('a disk that refuses', () => {
  it.each([
    ['metrics.jsonl', 'metrics\\.jsonl', 'ENOSPC'],
    ['metrics.jsonl', 'metrics\\.jsonl', 'EIO'],
    ['the TensorBoard event file', 'tfevents', 'EROFS'],
    ['the sample grid', 'samples', 'EACCES'],
    ['report.html', 'report\\.html', 'ENOSPC'],
  ])(
    '%s is warned of once, named at the end, and costs neither training nor lock (%s, %s)',
    async (what, pattern, code) => {
      writeFileSync(join(folder, 'refuse'), '');
      const args = training(4, { tensorboard: true, sampleEvery: 2 });
      const ended = await dm(args, folder, { env: refusing(pattern, code) });
      expect(ended).toMatchObject({ code: 0, stderr: '' });
      expect(ended.stdout.split(`warning: ${what} cannot be written`)).toHaveLength(2);
      expect(ended.stdout).toContain(`not written: ${what} (`);
      expect(left()).toMatchObject({ saved: 4, locks: [] });
    },
  );

  it('and accepts later gets every line of the log', async () => {
    writeFileSync(join(folder, 'refuse'), '');
    const run = start(training(many), folder, { env: refusing('metrics\\.jsonl', 'ENOSPC') });
    await run.said('warning: metrics.jsonl');
    rmSync(join(folder, 'refuse'));
    await logged();
    run.process.kill('SIGINT');
    const { stdout } = await run.finished;
    expect(stdout).not.toMatch(/not written/);
    const steps = readMetrics(join(folder, 'run/metrics.jsonl')).map(({ step }) => step);
    expect(steps).toEqual(Array.from({ length: left().saved! }, (_, i) => i + 1));
  });

  it('to read, for a while, does not make a run begin again', async () => {
    await dm([...training(6), '--set', 'budgets.steps=4'], folder);
    const log = readFileSync(join(folder, 'run/metrics.jsonl'), 'utf8');
    writeFileSync(join(folder, 'refuse'), '');
    const resume = ['train', '--resume', '--out', 'run'];
    const refused = await dm(resume, folder, { env: refusing('step-[0-9]+.model\\.safetensors', 'ESTALE') });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('ESTALE') as string });
    expect(left().saved).toBe(4);
    expect(readFileSync(join(folder, 'run/metrics.jsonl'), 'utf8')).toBe(log);
    rmSync(join(folder, 'refuse'));
    expect(await dm(resume, folder)).toMatchObject({ code: 0, stderr: '' });
    expect(left()).toMatchObject({ saved: 6, logged: 6 });
  });

  it('a lock that cannot be removed hides no error and is taken over by the next', async () => {
    const run = start(training(many), folder, { env: refusing('run\\.lock|data\\.npz|checkpoints', 'EROFS') });
    await run.said('step ');
    writeFileSync(join(folder, 'refuse'), '');
    run.process.kill('SIGTERM');
    const { code, stdout, stderr } = await run.finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(/error: The checkpoint .*EROFS/);
    expect(stderr).not.toMatch(/error: .*run\.lock/);
    expect(stdout).toMatch(/lock .*be removed/);
    rmSync(join(folder, 'refuse'));
    const next = await dm(['train', '--resume', '--out', 'run', '--set', 'budgets.steps=1'], folder);
    expect(next).toMatchObject({ code: 0 });
    expect(left().locks).toEqual([]);
  });

  it.skipIf(process.platform === 'win32')('leaves no lock and no run folder if it is full from the start', async () => {
    const refused = await dmWithFileLimit(0, [...training(2), '--json'], folder);
    expect(() => jsonOf(refused)).toThrowWith({ code: 'WRITE_FAILED', contains: ['run.lock', 'EFBIG'] });
    expect(existsSync(join(folder, 'run'))).toBe(false);
  });
});

it('a process that ends before the first step restores the run that it was to overwrite', async () => {
  expect(await dm(training(2), folder)).toMatchObject({ code: 0 });
  const before = filesOf(join(folder, 'run'));
  const path = join(folder, 'ending.mjs');
  writeFileSync(
    path,
    `import fs from 'node:fs';
     import { syncBuiltinESMExports } from 'node:module';
     const { renameSync } = fs;
     let isOver = false;
     fs.renameSync = (from, to) => {
       renameSync(from, to);
       if (isOver || !String(to).endsWith('config.json') || String(to).includes('overwritten')) return;
       isOver = true;
       process.exit(7);
     };
     syncBuiltinESMExports();`,
  );
  const env = { ...process.env, NODE_OPTIONS: `--import ${pathToFileURL(path).href}` };
  expect(await dm([...training(2), '--overwrite'], folder, { env })).toMatchObject({ code: 7 });
  expect(filesOf(join(folder, 'run'))).toEqual(before);
  expect(await dm([...training(3), '--overwrite'], folder)).toMatchObject({ code: 0 });
  expect(left()).toEqual({ saved: 3, logged: 3, locks: [] });
});

it.each([
  ['exception', 'throw new Error("nobody caught this")'],
  ['rejection', 'Promise.reject(new Error("nobody caught this"))'],
])('an %s that nobody caught is shown, after the state was saved', async (_, statement) => {
  const path = join(folder, 'failing.mjs');
  writeFileSync(
    path,
    `import { existsSync } from 'node:fs';
     import { isMainThread } from 'node:worker_threads';
     if (isMainThread) {
       const timer = setInterval(() => {
         if (!existsSync('run/metrics.jsonl')) return;
         clearInterval(timer);
         ${statement};
       }, 20);
       timer.unref();
     }`,
  );
  const env = { ...process.env, NODE_OPTIONS: `--import ${pathToFileURL(path).href}` };
  const { code, stderr } = await dm(training(many), folder, { env });
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^error: nobody caught this/) });
  expectAllSaved();
});
