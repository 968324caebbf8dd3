import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { dmCommand, type DmSurroundings } from './dm-command.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-command-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const here = (part: Partial<DmSurroundings>): DmSurroundings => ({
  script: join(folder, 'node_modules/.bin/dm'),
  env: {},
  cwd: folder,
  platform: 'linux',
  ...part,
});

it('is the command that starts dm where the user is', () => {
  const clone = join(folder, 'clone');
  const bin = join(clone, 'packages/trainer/bin/dm.js');
  const cli = join(clone, 'packages/trainer/dist/cli.js');
  mkdirSync(dirname(bin), { recursive: true });
  writeFileSync(bin, '');
  const of = (part: Partial<DmSurroundings>) => dmCommand(['train'], { resume: true }, here(part));
  const installed = join(folder, 'node_modules/@dm/trainer/bin/dm.js');

  for (const script of [bin, cli]) expect(of({ script, cwd: clone })).toBe('npm run -s dm -- train --resume');
  expect(of({ env: { npm_lifecycle_event: 'dm' } })).toBe('npm run -s dm -- train --resume');
  expect(of({ script: '/elsewhere/program.js', cwd: clone })).toBe('npm run -s dm -- train --resume');
  expect(of({ script: cli })).toBe(`node ${cli} train --resume`);
  // npx started something else, which started dm.
  expect(of({ script: cli, cwd: clone, env: { npm_lifecycle_event: 'npx' } })).toBe('npm run -s dm -- train --resume');
  expect(of({ script: cli, env: { npm_lifecycle_event: 'npx' } })).toBe(`node ${cli} train --resume`);

  expect(of({})).toBe('npx dm train --resume');
  expect(of({ cwd: join(folder, 'deep/er') })).toBe('npx dm train --resume');
  expect(of({ script: installed })).toBe('npx dm train --resume');
  expect(of({ script: '/elsewhere/program.js' })).toBe('npx dm train --resume');
  expect(of({ script: '/cache/_npx/1/node_modules/.bin/dm', env: { npm_lifecycle_event: 'npx' } })).toBe(
    'npx dm train --resume',
  );
  // Installed, but not for the folder in which the user is.
  expect(of({ script: installed, cwd: '/' })).toBe(`node ${installed} train --resume`);
  expect(of({ script: '/usr/local/bin/dm', env: { PATH: '/bin:/usr/local/bin' } })).toBe('dm train --resume');
  expect(of({ script: '/usr/local/bin/dm', env: { PATH: '/bin' } })).toBe('/usr/local/bin/dm train --resume');
});

it.skipIf(process.platform === 'win32')('a shell reads the same arguments again', () => {
  const names = [
    'runs/a',
    'my run',
    "it's",
    'a"b',
    '$HOME',
    '~/x',
    '*',
    'a;b',
    'a\\b',
    '-dash',
    '--out',
    '#x',
    '=ls',
    'é',
    '',
  ];
  for (const name of names) {
    const command = dmCommand(['report', name], { out: name }, here({}));
    const script = `dm() { printf '%s\\0' "$@"; }; npx() { shift; dm "$@"; }; ${command}`;
    const read = execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1);
    const path = name.startsWith('-') ? `./${name}` : name;
    expect(read).toEqual(['report', path, '--out', path]);
  }
});

it('leaves placeholders as they are, and quotes for Windows', () => {
  expect(dmCommand(['import', '<folder>'], { out: '<new folder>' }, here({}))).toBe(
    'npx dm import <folder> --out <new folder>',
  );
  const windows = here({ platform: 'win32' });
  expect(dmCommand(['report', String.raw`C:\my runs\a`], {}, windows)).toBe(String.raw`npx dm report "C:\my runs\a"`);
  expect(dmCommand(['report', String.raw`runs\a`], {}, windows)).toBe(String.raw`npx dm report runs\a`);
});
