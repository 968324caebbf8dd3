// `dm train --ui` through the built command, on a pseudo-terminal that `script` of util-linux makes.
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { PartialConfig } from '../config/schema.js';
import { dm } from '../testing/command.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
// Only that of util-linux knows this flag.
const hasScript = spawnSync('script', ['--version'], { stdio: 'ignore' }).status === 0;
const [hideCursor, showCursor] = ['\u001B[?25l', '\u001B[?25h'];

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function training(part: PartialConfig = {}): string[] {
  const path = join(folder, 'tiny.json');
  writeFileSync(path, JSON.stringify({ ...tinyConfig(folder, 6), logEvery: 1, checkpoints: { every: 3 }, ...part }));
  return ['train', '--ui', '--config', path, '--out', 'run'];
}

/** What the terminal gets, and the exit code. */
function onTerminal(args: readonly string[]) {
  const command = [process.execPath, cli, ...args].map((word) => `'${word}'`).join(' ');
  const { status, stdout } = spawnSync('script', ['-qec', `stty cols 90 rows 30; ${command}`, '/dev/null'], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout };
}

it.skipIf(!hasScript)('draws on a terminal and leaves the cursor and the last state there', () => {
  const { status, stdout } = onTerminal(training());
  expect(status).toBe(0);
  expect(stdout).toContain(hideCursor);
  const drawn = stdout.slice(0, stdout.indexOf(showCursor));
  expect(drawn.slice(drawn.lastIndexOf('step 6/6'))).toMatch(
    /^step 6\/6\s+100%\s+█+\r\nloss\s+\d\.\d{4}\s+[▁-█]{6}\r\n/,
  );
  expect(drawn).toContain('checkpoint  step 6: ');
  expect(stdout.slice(drawn.length)).toMatch(/Trained 6 steps in/);
});

it.skipIf(!hasScript)('gives the cursor back where the run ends with an error', () => {
  const { status, stdout } = onTerminal(training({ optimizer: { lr: 1e30 }, maxSkippedSteps: 1 }));
  expect(status).toBe(1);
  expect(stdout.indexOf(hideCursor)).toBeGreaterThanOrEqual(0);
  expect(stdout.lastIndexOf(showCursor)).toBeGreaterThan(stdout.lastIndexOf(hideCursor));
  expect(stdout).toMatch(/error: /);
});

it('prints plain lines where there is no terminal', async () => {
  const { code, stdout } = await dm(training(), folder);
  expect(code).toBe(0);
  expect(stdout).not.toContain('\u001B');
  expect(stdout).toMatch(/\nstep 6\/6\s+100%\s+loss/);
});
