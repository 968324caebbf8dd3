/** Which code and machine a result is from. */
import { execFileSync } from 'node:child_process';
import { machineName } from './machine.js';

export interface Provenance {
  /** Hash of the commit, with `+changes` if files other than results have uncommitted changes; absent without git. */
  readonly commit?: string;
  readonly machine: string;
}

/** Of this machine, and of the repository that contains `folder`. */
export function provenanceOf(folder: string): Provenance {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  const machine = machineName();
  try {
    const commit = git('rev-parse', 'HEAD');
    const isClean = git('status', '--porcelain', '--', ':/', ':(top,exclude,glob)experiments/*/results/**') === '';
    return { commit: `${commit}${isClean ? '' : '+changes'}`, machine };
  } catch {
    return { machine };
  }
}

/** As in `commit 0123456789ab (4 runs); machine AMD EPYC, AVX2, 2 cores (4 runs)`; empty without results. */
export function describeProvenance(all: readonly Provenance[]): string {
  const list = (name: string, values: readonly string[]) =>
    [...new Set(values)].map((one) => `${name} ${one} (${values.filter((value) => value === one).length} runs)`);
  const short = (commit: string) => commit.replace(/^([0-9a-f]{12})[0-9a-f]+/, '$1');
  return [
    ...list(
      'commit',
      all.flatMap(({ commit }) => (commit === undefined ? [] : [short(commit)])),
    ),
    ...list(
      'machine',
      all.map(({ machine }) => machine),
    ),
  ].join('; ');
}
