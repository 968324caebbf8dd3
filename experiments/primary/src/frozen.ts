/**
 * The finals run from one commit, in a separate worktree, so that later commits change neither the code nor the engine
 * that they are trained with.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Results } from './results.js';

interface Frozen {
  /** Full hash of the commit. */
  readonly commit: string;
}

const git = (cwd: string, ...args: string[]) => execFileSync('git', args, { cwd, encoding: 'utf8' }).trim();

/**
 * The commit that the finals run from: the one recorded in code.json, or, for the first final, the current one, which must
 * be `expected`: the one whose plan says that the finals are next.
 *
 * @throws {Error} if nothing is recorded, and the current commit is another one or the working tree has uncommitted changes
 *   outside the results
 */
export async function frozenCommit(home: string, results: Results, expected: string): Promise<string> {
  const recorded = results.read('code') as Frozen | undefined;
  if (recorded !== undefined) return recorded.commit;
  const changed = git(home, 'status', '--porcelain', '--', ':/', ':!results');
  if (changed !== '') throw new Error(`The finals run from a commit, but there are uncommitted changes:\n${changed}`);
  const commit = commitOf(home);
  if (commit !== expected) {
    throw new Error(`The finals run from a commit, and it has changed since this program started. Run it again.`);
  }
  await results.write('code', { commit } satisfies Frozen);
  return commit;
}

/** The commit that the folder `project` is checked out from. */
export const commitOf = (project: string): string => git(project, 'rev-parse', 'HEAD');

/**
 * Runs this program at a commit, in a worktree below `cache` that is created, installed, and built if it is missing.
 * Results are written to `home`; `args` is called after the build, for the program's arguments.
 *
 * @returns its exit code
 */
export function runAt(commit: string, home: string, cache: string, args: () => readonly string[]): number {
  const tree = join(cache, 'code', commit.slice(0, 12));
  const run = (command: string, ...rest: string[]) => {
    const { status } = spawnSync(command, rest, { cwd: tree, stdio: 'inherit' });
    if (status !== 0) throw new Error(`${command} ${rest.join(' ')} failed in ${tree}.`);
  };
  // Of a worktree whose folder was removed, git keeps a record, and refuses to add it again.
  git(home, 'worktree', 'prune');
  if (!existsSync(tree)) git(home, 'worktree', 'add', '--detach', tree, commit);
  run(process.execPath, 'tools/bootstrap/task.mjs', 'build');
  const main = join(tree, 'experiments', 'primary', 'dist', 'main.js');
  const { status } = spawnSync(process.execPath, [main, ...args()], {
    stdio: 'inherit',
    env: { ...process.env, DM_PRIMARY_HOME: home },
  });
  return status ?? 1;
}
