import { library } from '../../tools/config/tsup.js';

// The command, and the thread that writes checkpoints, are built on their own, as ESM alone: nobody imports them.
export default [
  // `shims`: import.meta.url in the CommonJS build too, from where uPlot and the versions are found.
  library({
    entry: ['src/index.ts', 'src/core.ts', 'src/browser.ts'],
    shims: true,
    clean: ['!cli.*', '!main.*', '!checkpoint-worker.*'],
  }),
  library({
    entry: { cli: 'src/cli.ts', main: 'src/main.ts', 'checkpoint-worker': 'src/checkpoint/checkpoint-worker.ts' },
    format: ['esm'],
    dts: false,
    clean: false,
    splitting: false,
  }),
];
