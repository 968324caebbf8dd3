// Several processes that want the lock at the same moment.
import { fork, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'tsup';
import { afterAll, beforeAll, expect, it } from 'vitest';

/** Each finds a stale lock; `DM_LOCK_ROUNDS` for more of them. */
const rounds = Number(process.env['DM_LOCK_ROUNDS'] ?? 100);

// Inside the package, where the packages that it imports are found.
const built = fileURLToPath(new URL(`../../node_modules/.lock-test-${process.pid}`, import.meta.url));
let folder: string;
let contenders: ChildProcess[];

beforeAll(async () => {
  const contender = fileURLToPath(new URL('../testing/lock-contender.ts', import.meta.url));
  await build({ entry: [contender], outDir: built, format: 'esm', target: 'node20', config: false, silent: true });
  folder = mkdtempSync(join(tmpdir(), 'dm-lock-'));
  contenders = [0, 1, 2, 3].map(() => fork(join(built, 'lock-contender.js'), { execArgv: [] }));
  await Promise.all(contenders.map((contender) => once(contender, 'message')));
});
afterAll(() => {
  for (const contender of contenders) contender.kill();
  for (const path of [built, folder]) rmSync(path, { recursive: true, force: true });
});

async function tellAll(message: object): Promise<string[]> {
  const answers = contenders.map((contender) => once(contender, 'message') as Promise<[string]>);
  for (const contender of contenders) contender.send(message);
  return (await Promise.all(answers)).map(([answer]) => answer);
}

it('of four that find a stale lock at once, one becomes the owner', { timeout: 600_000 }, async () => {
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  const stale = [
    (id: number) => JSON.stringify({ pid: dead, host: hostname(), id: `${id}` }),
    () => JSON.stringify({ pid: dead, host: hostname() }), // as old versions wrote it
    () => '{"pid": 0, "host": "elsewhere"}',
    () => `{"pid": ${dead}, "ho`,
  ];
  const lock = join(folder, 'run.lock');
  const owners: Record<number, number> = {};
  for (let round = 0; round < rounds; round++) {
    writeFileSync(lock, stale[round % stale.length]!(round));
    utimesSync(lock, new Date(0), new Date(0));
    const answers = await tellAll({ take: folder, at: Date.now() + 4 });
    const count = answers.filter((answer) => answer === 'owner').length;
    owners[count] = (owners[count] ?? 0) + 1;
    expect(answers.filter((answer) => answer !== 'owner' && answer !== 'RUN_LOCKED')).toEqual([]);
    await tellAll({});
    expect(readdirSync(folder)).toEqual([]);
  }
  expect(owners).toEqual({ 1: rounds });
});
