import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { acquireLock } from './lock.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-lock-'));
  path = join(folder, 'run.lock');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('is held by one at a time and can be taken again after its release', () => {
  const lock = acquireLock(folder);
  expect(() => acquireLock(folder)).toThrow(new RegExp(`in use by process ${process.pid} on`));
  lock.release();
  lock.release();
  expect(existsSync(path)).toBe(false);
  acquireLock(folder).release();
});

it('is taken over from a process that is gone', () => {
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  writeFileSync(path, JSON.stringify({ pid: dead, host: hostname() }));
  const lock = acquireLock(folder);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ pid: process.pid, host: hostname() });
  lock.release();
  expect(readdirSync(folder)).toEqual([]);
});

it('is taken over from an earlier process with the id of this one', () => {
  writeFileSync(path, JSON.stringify({ pid: process.pid, host: hostname() }));
  acquireLock(folder).release();
  expect(existsSync(path)).toBe(false);
});

it('stands while its owner lives, or may live on another host', () => {
  writeFileSync(path, JSON.stringify({ pid: process.ppid, host: hostname() }));
  expect(() => acquireLock(folder)).toThrow(/is in use/);
  writeFileSync(path, JSON.stringify({ pid: 1, host: 'elsewhere' }));
  expect(() => acquireLock(folder)).toThrow(/process 1 on elsewhere.*remove .*run\.lock/);
});

it('that cannot be read is being written when it is young, and left by a crash when it is old', () => {
  writeFileSync(path, '');
  expect(() => acquireLock(folder)).toThrow(/in use by another process/);
  utimesSync(path, new Date(0), new Date(0));
  acquireLock(folder).release();
});
