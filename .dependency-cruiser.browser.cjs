// The core of the trainer, which also runs in a browser: what it imports at run time, its packages included, is free of
// Node. Only imports of types may lead elsewhere, since compiling removes them: this run does not see them.
const { builtinModules } = require('node:module');
const { options } = require('./.dependency-cruiser.cjs');

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'browser-core',
      severity: 'error',
      comment: 'A browser runs the training step: no module of Node, no native module, no readers of files',
      from: {
        path: '^packages/trainer/src/(step/|setup/(optimizers|averages|denoiser|uncertainty)[.]ts$|config/schema[.]ts$)',
        pathNot: '[.]test[.]ts$',
      },
      to: {
        path: [
          `^(node:)?(${builtinModules.join('|')})$`,
          '(^|/)node_modules/(sharp|koffi|onnxruntime-node)/',
          '^packages/(data|files)/src/index[.]ts$',
        ],
        reachable: true,
      },
    },
  ],
  options: { ...options, tsPreCompilationDeps: false },
};
