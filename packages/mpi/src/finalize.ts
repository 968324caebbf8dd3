/** The end of MPI in this process. */
import { readSync, writeSync } from 'node:fs';
import type { MpiFunctions } from './functions.js';

export interface Ending {
  readonly mpi: Pick<MpiFunctions, 'finalize'>;
  /** Name and version of the library. */
  readonly library: string;
  /** Host name of each rank. */
  readonly hosts: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Calls MPI_Finalize, unless it could hang: before MPICH 4.2, a rank that has closed its connections waits for the other
 * ranks without answering them, while UCX, if it uses TCP, closes a connection only when the other side has answered
 * (https://github.com/pmodels/mpich/pull/6596). The launcher is then told directly that this process is done, as
 * MPI_Finalize would do at its end.
 *
 * Nothing may be pending: all ranks must have passed a barrier after their last message.
 */
export function finalize({ mpi, library, hosts, env = process.env }: Ending): void {
  const isAffected = /^MPICH (3|4\.[01])\b/.test(library) && new Set(hosts).size > 1;
  const isHydra = env['MPI_LOCALNRANKS'] !== undefined; // Slurm, which may use another protocol, does not set it
  const fd = Number(env['PMI_FD'] ?? NaN);
  if (!isAffected || !isHydra || Number.isNaN(fd)) return mpi.finalize();
  // Version 1 of the wire protocol of PMI.
  writeSync(fd, 'cmd=finalize\n');
  const byte = Buffer.alloc(1);
  while (readSync(fd, byte) === 1 && byte[0] !== newline);
}

const newline = 0x0a;
