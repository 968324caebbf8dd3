/** The packages of the site, from the lowest floor to the highest. */
export const packages = [
  'curriculum',
  'optim',
  'core',
  'models',
  'data',
  'eval',
  'files',
  'mpi',
  'ops',
  'jit',
  'trainer',
];
