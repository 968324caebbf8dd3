/** Start times of processes, which distinguish a process from a later one with the same id. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * An opaque text for the start time of the process `pid`, comparable on the same machine; undefined if there is no such
 * process, or if this system does not provide it.
 */
export function processStart(pid: number): string | undefined {
  if (process.platform === 'linux') return fromProc(pid);
  if (process.platform === 'win32') return undefined;
  const { stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
  });
  return stdout?.trim() || undefined;
}

/** Clock ticks from system boot to process start: field 22 of /proc/[pid]/stat, see proc(5). */
function fromProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may contain any character.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
