/** The launchers of this machine, and what the results of the MPI benchmarks say about it. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';

export const round = (/** @type {number} */ value) => Number(value.toPrecision(4));

/** The machine, now: `load` is 0 if it is idle. */
export const machine = () => ({
  load: round(loadavg()[0]),
  machine: `${availableParallelism()} cores of ${cpus()[0].model.trim()}${isRealTime() ? ', at real-time priority' : ''}`,
  date: new Date().toISOString().slice(0, 10),
});

/** Whether `chrt` started this process, so that other programs delay the ranks less. */
function isRealTime() {
  const stat = process.platform === 'linux' ? readFileSync('/proc/self/stat', 'utf8') : '';
  // Fields after the name of the program; the 39th is the scheduling policy: 0 is the normal one.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38] ?? 0) > 0;
}

export function localLaunchers() {
  return [
    { name: 'Open MPI', command: 'mpirun.openmpi', args: ['--oversubscribe', '--bind-to', 'none'] },
    { name: 'MPICH', command: 'mpirun.mpich', args: [] },
  ].filter(({ command }) => spawnSync(command, ['--version']).status === 0);
}
