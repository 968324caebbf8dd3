// `dm doctor` reports MPI: without a launcher, under the launchers of this machine, and without a library that works.
import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { launch, mpiLaunchers } from '@dm/mpi/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dm } from '../testing/command.js';
import { tinyFolder } from '../testing/tiny.js';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const launchers = mpiLaunchers();
const libraries = { 'Open MPI': 'libmpi.so.40', MPICH: 'libmpich.so.12' };

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The events of `dm doctor --json`; all ranks together print one report. */
function eventsOf(out: string): { readonly event: string; readonly mpi?: unknown; readonly code?: string }[] {
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ReturnType<typeof eventsOf>[number]);
}

describe('without a launcher, dm doctor', () => {
  it('says that no MPI library was found, and that one process works', async () => {
    const env = { ...process.env, DM_MPI_LIBRARY: '/nowhere/libmpi.so' };
    const { code, stdout } = await dm(['doctor', '--json'], folder, { env });
    expect(code).toBe(0);
    expect(eventsOf(stdout)).toEqual([
      expect.objectContaining({
        event: 'doctor',
        mpi: { mpi: expect.stringMatching(/^none.*\/nowhere\/libmpi\.so/s) },
      }),
    ]);
  });

  it.runIf(process.platform === 'linux' && process.arch === 'x64')(
    'reports why the CUDA provider is missing',
    async () => {
      const env = { ...process.env, DM_CUDA_PROVIDER: '/nowhere/ort' };
      const { stdout } = await dm(['doctor', '--json'], folder, { env });
      const none = expect.stringMatching(/\/nowhere\/ort.*DM_CUDA_PROVIDER/) as string;
      expect(eventsOf(stdout)).toEqual([expect.objectContaining({ cuda: { none } })]);
    },
  );

  it.each(launchers)('names the library of $name', async ({ name }) => {
    const env = { ...process.env, DM_MPI_LIBRARY: libraries[name] };
    const { code, stdout } = await dm(['doctor', '--json'], folder, { env });
    expect(code).toBe(0);
    const text = expect.stringMatching(new RegExp(`^${name} .*${libraries[name]}`)) as string;
    expect(eventsOf(stdout)).toEqual([expect.objectContaining({ mpi: { mpi: text } })]);
  });
});

describe.each(launchers)('under mpirun of $name, dm doctor', (launcher) => {
  it('reports library, launcher, ranks, hosts, and the rate of a sum of 26 MB, once', async () => {
    const { code, out } = await launch(launcher, 2, [cli, 'doctor', '--json']).ended;
    expect(code).toBe(0);
    expect(eventsOf(out)).toEqual([
      expect.objectContaining({
        event: 'doctor',
        mpi: {
          mpi: expect.stringContaining(launcher.name) as string,
          launcher: expect.stringContaining(launcher.name) as string,
          ranks: '2',
          hosts: `${hostname()} (2)`,
          'all-reduce': expect.stringMatching(/^[\d.]+ ms for 26 MB, [\d.]+ GB\/s/) as string,
        },
      }),
    ]);
  });

  it.each([
    ['that does not exist', () => '/nowhere/libmpi.so', 'MPI_MISSING'],
    ['of another launcher', () => libraries[launcher.name === 'MPICH' ? 'Open MPI' : 'MPICH'], 'MPI_MISMATCH'],
  ])('reports everything else with a library %s, and then that error', async (kind, library, code) => {
    if (code === 'MPI_MISMATCH' && launchers.length < 2) return;
    const result = await launch(launcher, 2, [cli, 'doctor', '--json'], { DM_MPI_LIBRARY: library() }).ended;
    expect(result.code, kind).not.toBe(0);
    const [report, error, ...more] = eventsOf(result.out);
    expect(report).toMatchObject({
      mpi: {
        mpi: expect.stringContaining(library()) as string,
        launcher: expect.stringContaining(launcher.name) as string,
        ranks: '2',
      },
    });
    expect(error).toMatchObject({ event: 'error', code });
    expect(more).toEqual([]);
  });
});
