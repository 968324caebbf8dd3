/**
 * - `MPI_MISSING`: a launcher started several processes, but no MPI library was found.
 * - `MPI_MISMATCH`: the MPI library does not belong to the launcher, so that each process would be alone.
 * - `MPI_UNSUPPORTED`: this platform or this MPI library is not supported.
 * - `MPI_FAILED`: an MPI function returned an error code.
 * - `MPI_STALLED`: ranks have stopped answering.
 * - `MPI_BUSY`: a call was made while another one was pending, or a world was opened twice.
 * - `MPI_CLOSED`: the world was used after `close`.
 */
export type MpiErrorCode =
  'MPI_MISSING' | 'MPI_MISMATCH' | 'MPI_UNSUPPORTED' | 'MPI_FAILED' | 'MPI_STALLED' | 'MPI_BUSY' | 'MPI_CLOSED';

/** An error of this package. Programs should compare `code`: messages may change between versions. */
export class MpiError extends Error {
  override readonly name = 'MpiError';
  readonly code: MpiErrorCode;

  constructor(code: MpiErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}
