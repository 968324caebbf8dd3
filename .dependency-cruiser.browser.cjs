// What runs in a browser: the packages as the condition `browser` resolves them, and the trainer's `core` and `browser`. What they import
// at run time, other packages included, is free of Node. Only imports of types may lead elsewhere, since compiling removes
// them: this run does not see them.
const { builtinModules } = require('node:module');
const { options } = require('./.dependency-cruiser.cjs');

/** Entries of the packages in a browser. */
const entries = ['ops', 'core', 'curriculum', 'optim', 'models']
  .map((name) => `packages/${name}/src/index[.]ts`)
  .concat(['files', 'jit', 'data', 'eval'].map((name) => `packages/${name}/src/browser[.]ts`))
  .concat('packages/trainer/src/(core|browser)[.]ts', 'packages/trainer/src/(browser|step)/');

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'browser',
      severity: 'error',
      comment: 'A browser runs this: no module of Node, no native module, no readers of files',
      from: { path: `^(${entries.join('|')})`, pathNot: '[.]test[.]ts$' },
      to: {
        path: [
          `^(node:)?(${builtinModules.join('|')})$`,
          '(^|/)node_modules/(sharp|koffi|onnxruntime-node|yauzl|tar)/',
        ],
        reachable: true,
      },
    },
  ],
  options: {
    ...options,
    tsPreCompilationDeps: false,
    enhancedResolveOptions: {
      ...options.enhancedResolveOptions,
      conditionNames: ['browser', '@dm/source', 'import', 'default', 'types'],
    },
  },
};
