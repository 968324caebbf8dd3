/**
 * The handles and constants of MPI's C interface, which are part of the ABI of each library and not of the MPI standard
 * before version 5. Sources: mpi.h of Open MPI 4.1, mpi.h of MPICH 4.0, and section 20 of the MPI 5.0 standard
 * (https://www.mpi-forum.org/docs/).
 */

/** A handle: a pointer in Open MPI and the ABI of MPI 5, an int in MPICH. */
export type Handle = bigint | number;

export interface Abi {
  readonly name: 'Open MPI' | 'MPICH' | 'MPI 5 ABI';
  /** koffi's type of a handle passed by value. */
  readonly handle: 'void *' | 'int';
  readonly world: Handle;
  readonly types: { readonly float: Handle; readonly double: Handle; readonly int32: Handle; readonly byte: Handle };
  readonly ops: { readonly sum: Handle; readonly max: Handle };
  /** MPI_IN_PLACE and MPI_STATUS_IGNORE. */
  readonly inPlace: bigint;
  readonly statusIgnore: bigint;
}

/** Open MPI 1 to 5: handles are the addresses of global objects. */
export function openMpiAbi(addressOf: (symbol: string) => bigint): Abi {
  return {
    name: 'Open MPI',
    handle: 'void *',
    world: addressOf('ompi_mpi_comm_world'),
    types: {
      float: addressOf('ompi_mpi_float'),
      double: addressOf('ompi_mpi_double'),
      int32: addressOf('ompi_mpi_int32_t'),
      byte: addressOf('ompi_mpi_byte'),
    },
    ops: { sum: addressOf('ompi_mpi_op_sum'), max: addressOf('ompi_mpi_op_max') },
    inPlace: 1n,
    statusIgnore: 0n,
  };
}

/** MPICH and all libraries of its ABI initiative: Intel MPI, MVAPICH, Cray MPICH. */
export const mpichAbi: Abi = {
  name: 'MPICH',
  handle: 'int',
  world: 0x44000000,
  types: { float: 0x4c00040a, double: 0x4c00080b, int32: 0x4c000439, byte: 0x4c00010d },
  ops: { sum: 0x58000003, max: 0x58000001 },
  inPlace: 0xffff_ffff_ffff_ffffn,
  statusIgnore: 1n,
};

/** The standard ABI of MPI 5. No library with it was available to run this package's tests. */
export const standardAbi: Abi = {
  name: 'MPI 5 ABI',
  handle: 'void *',
  world: 0x101n,
  types: { float: 0x210n, double: 0x214n, int32: 0x250n, byte: 0x247n },
  ops: { sum: 0x21n, max: 0x23n },
  inPlace: 1n,
  statusIgnore: 0n,
};
