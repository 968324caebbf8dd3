import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeProvenance, provenanceOf } from './provenance.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-provenance-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('is the commit, marked if anything but results has changed since', () => {
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], {
      cwd: folder,
      encoding: 'utf8',
    }).trim();
  git('init', '--quiet');
  writeFileSync(join(folder, 'a.ts'), '');
  git('add', '.');
  git('commit', '--quiet', '-m', 'a');
  const commit = git('rev-parse', 'HEAD');
  const results = join(folder, 'experiments/a/results/laptop');
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, 'x.json'), '{}');
  expect(provenanceOf(join(folder, 'experiments/a')).commit).toBe(commit);
  writeFileSync(join(folder, 'a.ts'), 'changed');
  expect(provenanceOf(folder).commit).toBe(`${commit}+changes`);
});

it('has no commit outside of a repository', () => {
  expect(provenanceOf(folder).commit).toBeUndefined();
});

it('counts commits and machines', () => {
  const commit = '0123456789abcdef';
  expect(describeProvenance([])).toBe('');
  const all = [
    { machine: 'A', commit },
    { machine: 'B', commit: `${commit}+changes` },
    { machine: 'A', commit },
  ];
  expect(describeProvenance(all).split('; ')).toEqual([
    'commit 0123456789ab (2 runs)',
    'commit 0123456789ab+changes (1 runs)',
    'machine A (2 runs)',
    'machine B (1 runs)',
  ]);
});
