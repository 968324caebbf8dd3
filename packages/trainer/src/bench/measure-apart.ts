/** Measures in a child process, which can be killed at any time, unlike a call of the engine. */
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atomicWriteFile, removeTree } from '@dm/files';
import type { BenchResult } from './bench.js';
import { dryRunSteps } from './dry-run.js';
import type { Config } from '../config/schema.js';
import { deserializeError } from '../errors.js';

/**
 * Runs `dm bench` for a few steps, with the command's file `cli`, for at most `ms` milliseconds. Returns its result, or the
 * reason why there is none.
 *
 * @throws {UserError} the error of `dm bench`, if it fails
 */
export async function measureApart(cli: string, config: Config, ms: number): Promise<BenchResult | string> {
  const { steps, warmup } = dryRunSteps;
  const folder = mkdtempSync(join(tmpdir(), 'dm-dry-run-'));
  let output: string | undefined;
  try {
    // In a file, because the system limits the length of arguments, which a list of betas may exceed.
    const path = join(folder, 'config.json');
    atomicWriteFile(path, JSON.stringify(config));
    const args = ['bench', '--json', '--steps', String(steps), '--warmup', String(warmup), '--config', path];
    output = await outputOf([...process.execArgv, cli, ...args], ms);
  } finally {
    removeTree(folder);
  }
  if (output === undefined) return `compiling and ${1 + warmup + steps} steps take longer than a dry run may`;
  const line = output.split('\n').findLast((text) => text.startsWith('{'));
  const event = JSON.parse(line ?? '{"event":"none"}') as { readonly event: string };
  if (event.event === 'bench') return event as unknown as BenchResult;
  if (event.event !== 'error') return 'the measuring process ended without a result';
  const { code, message } = event as unknown as { readonly code: string; readonly message: string };
  throw deserializeError({ name: 'UserError', message, stack: '', code });
}

/** Standard output of `node` with `args`; undefined if it was killed after `ms` milliseconds. */
function outputOf(args: readonly string[], ms: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let stdout = '';
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, ms);
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      resolve(isLate ? undefined : stdout);
    });
  });
}
