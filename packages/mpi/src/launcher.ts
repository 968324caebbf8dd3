/** The program that started this process several times, as its environment variables tell. */
export interface Launcher {
  /** Such as `mpirun of Open MPI`. */
  readonly name: string;
  /** The MPI library that it works with; undefined for Slurm, which works with all. */
  readonly family: 'openmpi' | 'mpich' | undefined;
  /** The environment variable with the number of processes. */
  readonly variable: string;
  /** The number of processes, at least 1. */
  readonly size: number;
  /** The rank of this process. */
  readonly rank: number;
  /** Whether the processes are on several hosts, if the launcher tells; otherwise false. */
  readonly spansHosts: boolean;
}

/** `localSize` is the variable with the number of processes on this host. */
const launchers = [
  {
    name: 'mpirun of Open MPI',
    family: 'openmpi',
    size: 'OMPI_COMM_WORLD_SIZE',
    rank: 'OMPI_COMM_WORLD_RANK',
    localSize: 'OMPI_COMM_WORLD_LOCAL_SIZE',
  },
  {
    name: 'mpirun of MVAPICH',
    family: 'mpich',
    size: 'MV2_COMM_WORLD_SIZE',
    rank: 'MV2_COMM_WORLD_RANK',
    localSize: 'MV2_COMM_WORLD_LOCAL_SIZE',
  },
  {
    name: 'mpirun of MPICH (hydra)',
    family: 'mpich',
    size: 'PMI_SIZE',
    rank: 'PMI_RANK',
    localSize: 'MPI_LOCALNRANKS',
  },
  {
    name: 'srun of Slurm',
    family: undefined,
    size: 'SLURM_STEP_NUM_TASKS',
    rank: 'SLURM_PROCID',
    localSize: undefined, // it gives the number of hosts instead
  },
] as const;

/**
 * Finds out which launcher started this process; undefined if none did. Nothing is loaded.
 *
 * @param env environment variables; `DM_MPI=off` hides a launcher, for processes that are to be independent
 */
export function findLauncher(env: NodeJS.ProcessEnv = process.env): Launcher | undefined {
  if (env['DM_MPI'] === 'off') return undefined;
  for (const { name, family, size, rank, localSize } of launchers) {
    const [count, own] = [env[size], env[rank]].map(Number) as [number, number];
    if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(own)) continue;
    // Slurm's own PMI sets these too, and works with every library that was built for it.
    const isSlurm = name !== 'mpirun of Open MPI' && env['SLURM_STEP_NUM_TASKS'] !== undefined;
    return {
      name: isSlurm ? 'srun of Slurm' : name,
      family: isSlurm ? undefined : family,
      variable: size,
      size: count,
      rank: own,
      spansHosts: isSlurm
        ? Number(env['SLURM_STEP_NUM_NODES']) > 1
        : localSize !== undefined && Number(env[localSize]) < count,
    };
  }
  return undefined;
}
