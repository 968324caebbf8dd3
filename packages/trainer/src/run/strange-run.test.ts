// A run folder that came from a stranger: its links lead to files that are not part of the run.
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createEventFile } from '../logs/event-file.js';
import { LogFile } from '../files/log-file.js';
import { writeReport } from '../report/report.js';
import { Unwritten } from '../files/unwritten.js';
import { createRunFolder, runFolder } from './run-folder.js';

let folder: string;
let secret: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-strange-'));
  mkdirSync(join(folder, 'run'));
  secret = join(folder, 'secret');
  writeFileSync(secret, 'untouched');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const names = ['config.json', 'metrics.jsonl', 'difficulty.jsonl', 'samples', 'checkpoints', 'report.html'];

it.each(names)('%s as a link is refused', (name) => {
  symlinkSync(secret, join(folder, 'run', name));
  expect(() => runFolder(join(folder, 'run'))).toThrow(expect.objectContaining({ code: 'FILE_KIND' }));
});

it('the folder itself may be reached by a link', () => {
  symlinkSync('run', join(folder, 'link'));
  createRunFolder(runFolder(join(folder, 'link')));
  expect(existsSync(join(folder, 'run/samples'))).toBe(true);
});

it('a log with a second name outside is not appended to', () => {
  linkSync(secret, join(folder, 'run/metrics.jsonl'));
  const notes: string[] = [];
  const unwritten = new Unwritten((text) => notes.push(text));
  const log = new LogFile(join(folder, 'run/metrics.jsonl'), 'metrics.jsonl', unwritten);
  log.append('step 1', 'a line');
  log.finish();
  expect(notes).toEqual([expect.stringMatching(/hard link/)]);
  expect(unwritten.list()).toEqual(['metrics.jsonl (step 1)']);
  expect(readFileSync(secret, 'utf8')).toBe('untouched');
});

it('a link in the place of a former temporary name or of a grid gets nothing written through it, and nothing published', () => {
  const run = runFolder(join(folder, 'run'));
  createRunFolder(run);
  writeFileSync(run.config, '{}');
  symlinkSync(secret, `${run.report}.partial`);
  writeReport([run], run.report);
  createEventFile(run.path, 0, new Unwritten());
  expect(readFileSync(secret, 'utf8')).toBe('untouched');
  symlinkSync(secret, join(run.samples, 'step-000001.png'));
  expect(() => writeReport([run], run.report)).toThrow(expect.objectContaining({ code: 'FILE_KIND' }));
});
