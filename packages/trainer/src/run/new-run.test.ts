import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { beginNewRun, continuedRun, recoverOverwritten } from './new-run.js';
import { hasRun, namesOf, runFolder } from './run-folder.js';

const ownEvents = 'events.out.tfevents.1700000000.dm.1.0';
const former = {
  'config.json': '{"diffusion": {}, "seed": 1}',
  'metrics.jsonl': 'former',
  'checkpoints/step-000001/manifest.json': 'former',
  'samples/step-000001.png': 'former',
  [ownEvents]: 'former',
};
const others = { 'notes.txt': 'mine', 'events.out.tfevents.1700000000.host.1.0': 'mine' };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-new-run-'));
  write({ ...former, ...others });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

function files(): Record<string, string> {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    found.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(folder.length + 1), readFileSync(path, 'utf8')];
    }),
  );
}

const run = () => runFolder(folder);
const next = { 'config.json': '{"diffusion": {}, "seed": 2}', 'difficulty.jsonl': 'next' };

it('replaces a run when its first step is done, and keeps files of other programs', () => {
  const newRun = beginNewRun(run());
  expect(namesOf(folder)).toEqual([]);
  write(next);
  newRun.keep();
  expect(files()).toEqual({ ...next, ...others });
  newRun.keep();
});

it('restores the run that it was to replace', () => {
  const newRun = beginNewRun(run());
  write(next);
  newRun.undo();
  expect(files()).toEqual({ ...former, ...others });
});

it('a process that ended before its first step leaves the former run to the next one', () => {
  beginNewRun(run());
  write(next);
  const second = beginNewRun(run());
  write({ 'metrics.jsonl': 'second' });
  second.undo();
  expect(files()).toEqual({ ...former, ...others });

  beginNewRun(run());
  write(next);
  continuedRun(run()).keep();
  expect(files()).toEqual({ ...next, ...others });
});

it.each([0, 1, 3])('a process that ended after it had moved %i files is recovered from', (moved) => {
  mkdirSync(join(folder, '.overwritten'));
  for (const name of namesOf(folder).slice(0, moved)) {
    renameSync(join(folder, name), join(folder, '.overwritten', name));
  }
  expect(hasRun(run())).toBe(true);
  recoverOverwritten(run());
  expect(files()).toEqual({ ...former, ...others });
  const newRun = beginNewRun(run());
  newRun.undo();
  expect(files()).toEqual({ ...former, ...others });
});
