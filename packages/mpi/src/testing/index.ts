/** For tests: the launchers of this machine, and processes started by them. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';

export interface TestLauncher {
  /** As in the messages of MPI_MISMATCH. */
  readonly name: 'Open MPI' | 'MPICH';
  readonly program: string;
  readonly args: readonly string[];
}

const known: readonly TestLauncher[] = [
  { name: 'Open MPI', program: 'mpirun.openmpi', args: ['--oversubscribe', '--bind-to', 'none'] },
  { name: 'MPICH', program: 'mpirun.mpich', args: [] },
];

/**
 * The launchers of this machine. If there are none, the tests are skipped, which is reported.
 *
 * @throws {Error} if there are none although DM_MPI_TESTS=required
 */
export function mpiLaunchers(): TestLauncher[] {
  const found = known.filter(({ program }) => spawnSync(program, ['--version']).status === 0);
  if (found.length > 0) return found;
  const text = 'the tests of several processes need MPI (Debian: openmpi-bin, mpich)';
  if (process.env['DM_MPI_TESTS'] === 'required') throw new Error(text);
  process.stderr.write(`SKIPPED: ${text}\n`);
  return [];
}

export interface Launched {
  /** Resolves when the launcher and all that wrote to its outputs have ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly out: string; readonly error: string }>;
  readonly child: ChildProcess;
}

/** Runs `node <args>` in `size` processes. */
export function launch(
  { program, args }: TestLauncher,
  size: number,
  nodeArgs: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Launched {
  const child = spawn(program, [...args, '-n', String(size), process.execPath, ...nodeArgs], {
    // Open MPI refuses to run as root unless these are set.
    env: {
      ...process.env,
      OMPI_ALLOW_RUN_AS_ROOT: '1',
      OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
      // Nx sets it, and Node warns if both are set.
      FORCE_COLOR: undefined,
      NO_COLOR: '1',
      ...env,
    },
  });
  let [out, error] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (out += data));
  child.stderr.on('data', (data: Buffer) => (error += data));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { child, ended: ended.then((code) => ({ code, out, error })) };
}
