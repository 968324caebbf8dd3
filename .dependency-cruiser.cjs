// Who may import whom. The floors stand in tools/config/floors.json, read by this file and by the test of Nx's graph.
const { floors, sideways, reserved } = require('./tools/config/floors.json');
const { floors: trainerFolders } = require('./tools/config/trainer-folders.json');

const floorOf = new Map(floors.flatMap((names, floor) => names.map((name) => [name, floor])));
const everyone = [...floorOf.keys(), ...Object.keys(reserved)];
const folder = (name) => (name === 'experiments' ? 'experiments' : `packages/${name}`);

/** The packages that `name` may import through their public entry. */
function below(name) {
  const lower = [...floorOf.keys()].filter((other) => floorOf.get(other) < floorOf.get(name));
  const beside = sideways.filter(([from]) => from === name).map(([, to]) => to);
  const granted = Object.keys(reserved).filter((other) => reserved[other].includes(name));
  return [...lower, ...beside, ...granted];
}

/** One rule a package: everything of the workspace outside its own folder and the packages below is refused. */
const floorRules = everyone.map((name) => {
  const allowed = (name in reserved ? [] : below(name)).map((other) => `^${folder(other)}/`);
  return {
    name: `floor-${name}`,
    severity: 'error',
    comment: allowed.length
      ? `${name} may import only ${below(name).join(', ')} (tools/config/floors.json)`
      : `${name} imports nothing of this workspace (tools/config/floors.json)`,
    from: { path: `^${folder(name)}/`, pathNot: '[.]config[.]ts$' },
    to: { path: '^(packages|experiments|examples|tools)/', pathNot: [`^${folder(name)}/`, ...allowed] },
  };
});

/** One rule per folder (or root file) of the trainer: it imports from the floors below its own only. Tests may import any. */
const trainer = 'packages/trainer/src';
const trainerRules = trainerFolders.flatMap((names, floor) =>
  names.map((name) => ({
    name: 'trainer-folders',
    severity: 'error',
    comment: `${name} may import only lower folders of ${trainer} (tools/config/trainer-folders.json)`,
    from: { path: `^${trainer}/${name}(/|$)`, pathNot: '[.]test[.]ts$|/testing/' },
    to: {
      path: `^${trainer}/`,
      pathNot: [name, ...trainerFolders.slice(0, floor).flat()].map((other) => `^${trainer}/${other}(/|$)`),
    },
  })),
);

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...floorRules,
    ...trainerRules,
    {
      name: 'public-entry-only',
      severity: 'error',
      comment: 'Import another package by its name, never by a path into its folder: its src is not its interface',
      from: { path: '^packages/([^/]+)/' },
      to: { path: '^packages/', pathNot: '^packages/$1/', dependencyTypes: ['local'] },
    },
    {
      name: 'public-entry-only-experiments',
      severity: 'error',
      comment: 'Experiments import packages by name',
      from: { path: '^experiments/' },
      to: { path: '^packages/', dependencyTypes: ['local'] },
    },
    {
      name: 'examples-alone',
      severity: 'error',
      comment: 'An example imports packages by name, as a user would, and nothing else of this workspace',
      from: { path: '^examples/([^/]+)/' },
      to: { path: '^(packages|experiments|examples|tools)/', pathNot: '^examples/$1/', dependencyTypes: ['local'] },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Modules that import each other in a circle, types included, cannot be read in any order',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-umbrella-tfjs',
      severity: 'error',
      comment: '@tensorflow/tfjs pulls in every backend; import @tensorflow/tfjs-core',
      from: {},
      to: { path: '(^|node_modules/)@tensorflow/tfjs(/|$)' },
    },
    {
      name: 'declared',
      severity: 'error',
      comment:
        'Everything imported stands in the package.json of the importing package; the test tools stand at the root',
      from: { path: '^(packages|experiments|examples)/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'], pathNot: '(^|/)node_modules/(vitest|typescript)/' },
    },
    {
      name: 'declared-for-users',
      severity: 'error',
      comment: 'What runs at the user is a dependency or a peer; devDependencies are not installed there',
      from: { path: '^packages/[^/]+/src/', pathNot: '[.]test[.]ts$|/testing([.]ts$|/)' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm', 'npm-peer', 'npm-optional', 'type-only'] },
    },
    {
      name: 'test-helpers',
      severity: 'error',
      comment: 'A testing.ts or testing/ is shared by tests, is not published and may use development dependencies',
      from: { pathNot: '[.]test[.]ts$|/testing([.]ts$|/)' },
      to: { path: '/testing([.]ts$|/)' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment: 'The import leads nowhere: a misspelt name, or a path that the package does not export',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|reports|tarball|fixtures|results)/' },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@dm/source', 'import', 'node', 'default', 'types'],
      mainFields: ['module', 'main', 'types'],
    },
    tsConfig: { fileName: 'tsconfig.base.json' },
  },
};
