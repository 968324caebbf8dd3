import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { findLauncher } from './launcher.js';
import { candidates } from './library.js';
import { librarySettings } from './library-settings.js';
import { openWorld } from './open-world.js';

const openMpi = { OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: '3' };
const hydra = { PMI_SIZE: '2', PMI_RANK: '1' };
const slurm = { SLURM_STEP_NUM_TASKS: '8', SLURM_PROCID: '5' };

describe('findLauncher', () => {
  it.each([
    ['Open MPI', openMpi, 'openmpi', 4, 3],
    ['MPICH', hydra, 'mpich', 2, 1],
    ['Slurm', slurm, undefined, 8, 5],
    ['Slurm with its own PMI', { ...slurm, ...hydra }, undefined, 2, 1],
    ['Open MPI within an allocation of Slurm', { ...slurm, ...openMpi }, 'openmpi', 4, 3],
  ] as const)('knows %s by its variables', (_, env, family, size, rank) => {
    expect(findLauncher(env)).toMatchObject({ family, size, rank });
  });

  it.each([
    ['no launcher', {}],
    ['DM_MPI=off', { ...openMpi, DM_MPI: 'off' }],
    ['a size without a rank, as in a batch script', { SLURM_STEP_NUM_TASKS: '8' }],
    ['values that are not numbers', { PMI_SIZE: 'many', PMI_RANK: '0' }],
  ])('finds none with %s', (_, env) => {
    expect(findLauncher(env)).toBeUndefined();
  });
});

describe('processes on several hosts', () => {
  it.each([
    ['Open MPI', { ...openMpi, OMPI_COMM_WORLD_LOCAL_SIZE: '2' }, { ...openMpi, OMPI_COMM_WORLD_LOCAL_SIZE: '4' }],
    ['MPICH', { ...hydra, MPI_LOCALNRANKS: '1' }, { ...hydra, MPI_LOCALNRANKS: '2' }],
    ['Slurm', { ...slurm, SLURM_STEP_NUM_NODES: '2' }, { ...slurm, SLURM_STEP_NUM_NODES: '1' }],
    ['Slurm with its own PMI', { ...slurm, ...hydra, SLURM_STEP_NUM_NODES: '2' }, { ...slurm, ...hydra }],
  ])('are known under %s', (_, several, one) => {
    expect([several, one].map((env) => findLauncher(env)?.spansHosts)).toEqual([true, false]);
  });

  it('send long messages without rendezvous, if only TCP connects them', () => {
    const rendezvous = (spansHosts: boolean, hasRdma: boolean) =>
      librarySettings({ spansHosts }, hasRdma)['UCX_RNDV_THRESH'];
    expect([rendezvous(true, false), rendezvous(true, true), rendezvous(false, false)]).toEqual([
      'inf',
      undefined,
      undefined,
    ]);
    expect(librarySettings(undefined, false)).toMatchObject({ UCX_MEM_EVENTS: 'n' });
    expect(librarySettings(undefined, false)).not.toHaveProperty('UCX_RNDV_THRESH');
  });
});

describe('the libraries to try', () => {
  it('begin with those of the launcher', () => {
    expect(candidates({ family: 'openmpi' }, {}, 'linux')[0]).toBe('libmpi.so.40');
    expect(candidates({ family: 'mpich' }, {}, 'linux')[0]).toBe('libmpi.so.12');
    expect(candidates(undefined, {}, 'darwin')).toContain('/opt/homebrew/lib/libmpi.40.dylib');
  });

  it('are the one named by DM_MPI_LIBRARY, and no other', () => {
    expect(candidates({ family: 'mpich' }, { DM_MPI_LIBRARY: '/opt/mpi.so' }, 'linux')).toEqual(['/opt/mpi.so']);
  });
});

it('a time limit that is not a number of seconds is refused, with what was given', async () => {
  vi.stubEnv('DM_MPI_STALL_SECONDS', 'soon');
  onTestFinished(() => void vi.unstubAllEnvs());
  await expect(openWorld()).rejects.toThrowWith({ type: RangeError, contains: ['DM_MPI_STALL_SECONDS', 'soon'] });
  await expect(openWorld({ stallSeconds: -1 })).rejects.toThrowWith({ type: RangeError, contains: ['-1'] });
});
