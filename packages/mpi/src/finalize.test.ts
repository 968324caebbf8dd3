import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { finalize } from './finalize.js';

let folder: string;
let file: string;
/** Stands in for the connection to the launcher. */
let fd: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-finalize-'));
  file = join(folder, 'launcher');
  fd = openSync(file, 'w+');
});
afterEach(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

const hydra = () => ({ MPI_LOCALNRANKS: '1', PMI_FD: String(fd) });

it.each(['MPICH 3.4.1', 'MPICH 4.0.2', 'MPICH 4.1'])(
  'tells the launcher that a rank of %s on two hosts is done',
  (library) => {
    const mpi = { finalize: vi.fn<() => void>() };
    finalize({ mpi, library, hosts: ['a', 'b', 'a'], env: hydra() });
    expect(mpi.finalize).not.toHaveBeenCalled();
    expect(readFileSync(file, 'utf8')).toBe('cmd=finalize\n');
  },
);

it.each([
  ['one host', 'MPICH 4.0.2', ['a', 'a'], hydra],
  ['a later MPICH', 'MPICH 4.2.0', ['a', 'b'], hydra],
  ['MPICH 4.10', 'MPICH 4.10.0', ['a', 'b'], hydra],
  ['Open MPI', 'Open MPI v4.1.4', ['a', 'b'], hydra],
  ['another launcher', 'MPICH 4.0.2', ['a', 'b'], () => ({ PMI_FD: String(fd) })],
])('calls MPI_Finalize: %s', (_, library, hosts, env) => {
  const mpi = { finalize: vi.fn<() => void>() };
  finalize({ mpi, library, hosts, env: env() });
  expect(mpi.finalize).toHaveBeenCalledTimes(1);
  expect(readFileSync(file, 'utf8')).toBe('');
});
