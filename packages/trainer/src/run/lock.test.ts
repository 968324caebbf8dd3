import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { acquireLock } from './lock.js';
import { processStart } from './process-start.js';
import { UserError } from '../errors.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-lock-'));
  path = join(folder, 'run.lock');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const locked = expect.objectContaining({ code: 'RUN_LOCKED' });
/** The error of a lock that a process holds, with what to remove if that one is gone. */
const inUse = (pid: number, host: string) => ({
  type: UserError,
  code: 'RUN_LOCKED',
  contains: [folder, `process ${pid} on ${host}`, path],
});

function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

it('is held by one at a time and can be taken again after its release', () => {
  const lock = acquireLock(folder);
  expect(readdirSync(folder)).toEqual(['run.lock']);
  expect(() => acquireLock(folder)).toThrowWith(inUse(process.pid, hostname()));
  expect(readdirSync(folder)).toEqual(['run.lock']);
  lock.release();
  lock.release();
  expect(existsSync(path)).toBe(false);
  acquireLock(folder).release();
});

describe('is taken over', () => {
  it.each([
    ['a process that is gone', () => JSON.stringify({ pid: deadPid(), host: hostname() })],
    ['no process: 0 means a group of them', () => JSON.stringify({ pid: 0, host: hostname() })],
    ['no process: -1 means all of them', () => JSON.stringify({ pid: -1, host: hostname() })],
    ['no process: 1e300', () => JSON.stringify({ pid: 1e300, host: 'elsewhere' })],
  ])('from %s', (_, content) => {
    writeFileSync(path, content());
    const lock = acquireLock(folder);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.pid, host: hostname() });
    expect(() => acquireLock(folder)).toThrow(locked);
    lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.skipIf(processStart(process.ppid) === undefined)('from a process whose id another one has by now', () => {
    const { pid, host } = { pid: process.ppid, host: hostname() };
    writeFileSync(path, JSON.stringify({ pid, host, started: processStart(pid) }));
    expect(() => acquireLock(folder)).toThrow(locked);
    writeFileSync(path, JSON.stringify({ pid, host, started: '9999999999' }));
    acquireLock(folder).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('from an earlier attempt of the same Slurm job, also on another host, but not from this attempt or another job', () => {
    const lockOf = (job: string, attempt: number) =>
      JSON.stringify({ pid: 1, host: 'elsewhere', id: 'x', job, attempt });
    vi.stubEnv('SLURM_CLUSTER_NAME', 'big');
    vi.stubEnv('SLURM_JOB_ID', '7');
    vi.stubEnv('SLURM_RESTART_COUNT', '2');
    onTestFinished(() => void vi.unstubAllEnvs());
    for (const [job, attempt] of [
      ['big/7', 2],
      ['big/8', 1],
      ['other/7', 1],
    ] as const) {
      writeFileSync(path, lockOf(job, attempt));
      expect(() => acquireLock(folder)).toThrow(locked);
    }
    writeFileSync(path, lockOf('big/7', 1));
    const lock = acquireLock(folder);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ host: hostname(), job: 'big/7', attempt: 2 });
    lock.release();
  });

  it('from an earlier process with the id of this one', () => {
    writeFileSync(path, JSON.stringify({ pid: process.pid, host: hostname(), started: '0' }));
    acquireLock(folder).release();
    expect(existsSync(path)).toBe(false);
  });

  it('from one that died while it took the lock over, and from nobody while that one lives', () => {
    const stale = JSON.stringify({ pid: deadPid(), host: hostname(), id: 'first' });
    const successor = `${path}.${createHash('sha256').update(stale).digest('hex').slice(0, 32)}`;
    writeFileSync(path, stale);
    writeFileSync(successor, JSON.stringify({ pid: process.ppid, host: hostname(), id: 'second' }));
    expect(() => acquireLock(folder)).toThrowWith(inUse(process.ppid, hostname()));
    writeFileSync(successor, JSON.stringify({ pid: deadPid(), host: hostname(), id: 'second' }));
    acquireLock(folder).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each(['', '{"pid": 12', 'null', '{"pid": "twelve", "host": "here"}'])(
    'from a crash that left %j, unless it is so young that it may be being written',
    (content) => {
      writeFileSync(path, content);
      expect(() => acquireLock(folder)).toThrow(locked);
      for (const time of [new Date(0), new Date(Date.now() + 1e9)]) {
        writeFileSync(path, content);
        utimesSync(path, time, time);
        acquireLock(folder).release();
        expect(readdirSync(folder)).toEqual([]);
      }
    },
  );
});

it('stands while its owner lives, or may live on another host', () => {
  writeFileSync(path, JSON.stringify({ pid: process.ppid, host: hostname() }));
  expect(() => acquireLock(folder)).toThrowWith(inUse(process.ppid, hostname()));
  writeFileSync(path, JSON.stringify({ pid: 1, host: 'elsewhere' }));
  expect(() => acquireLock(folder)).toThrowWith(inUse(1, 'elsewhere'));
  expect(readdirSync(folder)).toEqual(['run.lock']);
});

it('is not removed once it is somebody else’s', () => {
  const lock = acquireLock(folder);
  const theirs = JSON.stringify({ pid: 1, host: 'elsewhere' });
  writeFileSync(path, theirs);
  lock.release();
  expect(readFileSync(path, 'utf8')).toBe(theirs);
});

describe('is refused at once if there is no lock but', () => {
  it.each([
    ['a folder', () => mkdirSync(path)],
    ['a link', () => symlinkSync(join(folder, 'elsewhere'), path)],
    ['a link to a device', () => symlinkSync('/dev/zero', path)],
    ['something huge', () => writeFileSync(path, ' '.repeat(10_000))],
  ])('%s', (_, make) => {
    make();
    expect(() => acquireLock(folder)).toThrow(locked);
    expect(readdirSync(folder)).toEqual(['run.lock']);
  });

  it.skipIf(process.platform === 'win32')('a named pipe', () => {
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    expect(() => acquireLock(folder)).toThrow(locked);
  });
});
