import { setTimeout as delay } from 'node:timers/promises';
import { MpiError } from './errors.js';
import { mpiFunctions } from './functions.js';
import { findLauncher, type Launcher } from './launcher.js';
import { libraryVariable, loadLibrary, type LoadedLibrary } from './library.js';
import { openMpiWorld } from './mpi-world.js';
import { worldOfOne, type World } from './world.js';

export interface OpenWorldOptions {
  /**
   * Seconds after which a rank that does not answer counts as lost, while another one waits for it. Default: the
   * environment variable `DM_MPI_STALL_SECONDS`, or 60.
   */
  readonly stallSeconds?: number;
  /**
   * Called with an `MPI_STALLED` error that names the lost ranks. Default: prints it and ends all processes. Of several
   * ranks that wait, the lowest comes first.
   */
  readonly onStalled?: (error: MpiError) => void;
}

const stallVariable = 'DM_MPI_STALL_SECONDS';

/** MPI can be initialized once per process. */
let isOpened = false;

/**
 * Joins the processes that were started along with this one by `mpirun`, `mpiexec` or `srun`. Without such a launcher, or
 * if it started one process, this is a world of one, and no library is loaded. May be called once per process, on the main
 * thread.
 *
 * @throws {MpiError} `MPI_MISSING` if there is no MPI library; `MPI_MISMATCH` if it does not belong to the launcher;
 *   `MPI_UNSUPPORTED` on Windows, or if its binary interface is unknown; `MPI_BUSY` if a launcher started several processes
 *   and this one called it before
 * @throws {RangeError} if `stallSeconds` is not a positive number
 */
export async function openWorld({
  stallSeconds = secondsFromEnvironment(),
  onStalled,
}: OpenWorldOptions = {}): Promise<World> {
  if (!(stallSeconds > 0 && stallSeconds < 2 ** 20)) {
    const given = Number.isNaN(stallSeconds) ? (process.env[stallVariable] ?? 'NaN') : stallSeconds;
    throw new RangeError(`stallSeconds (${stallVariable}) must be a positive number of seconds, got ${given}`);
  }
  const launcher = findLauncher();
  if (launcher === undefined || launcher.size === 1) return worldOfOne();
  if (isOpened) throw new MpiError('MPI_BUSY', 'openWorld was called twice in this process: pass the first world on');
  isOpened = true;
  const library = await loadLibrary(launcher);
  if (launcher.family !== undefined && !isOfFamily(library, launcher.family)) throw mismatch(launcher, library);
  const mpi = mpiFunctions(library);
  mpi.init();
  const size = mpi.size();
  if (size !== launcher.size) {
    mpi.finalize();
    throw mismatch(launcher, library, size);
  }
  /** The lowest rank that notices reports first; the others end with it, or report themselves if it cannot. */
  const report = async (error: MpiError): Promise<void> => {
    await delay(Math.min(500 * mpi.rank(), 3000));
    if (onStalled !== undefined) return onStalled(error);
    process.stderr.write(`error: ${error.message}\n`);
    process.exit(1); // ends all ranks, as any exit without `close` does
  };
  // Already while it is opened, a rank can be lost.
  return openMpiWorld({ mpi, library: library.version, stallSeconds, onStalled: (error) => void report(error) });
}

function secondsFromEnvironment(): number {
  const text = process.env[stallVariable];
  return text === undefined || text === '' ? 60 : Number(text);
}

function isOfFamily({ abi }: LoadedLibrary, family: 'openmpi' | 'mpich'): boolean {
  return abi === 'MPI 5 ABI' || (abi === 'Open MPI') === (family === 'openmpi');
}

function mismatch({ name, family, variable, size }: Launcher, { path, version }: LoadedLibrary, found = 1): MpiError {
  const start =
    family === undefined
      ? 'Start them through the PMI that the library was built with (srun --mpi=pmix or --mpi=pmi2; srun --mpi=list shows them)'
      : 'Start them with the mpirun of that library';
  return new MpiError(
    'MPI_MISMATCH',
    `The processes were started by ${name} (${variable}=${size}), but the MPI library is ${path} (${version}), which would ` +
      `see ${found} of them. ${start}, or set ${libraryVariable} to the library of the launcher.`,
  );
}
