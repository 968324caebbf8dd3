import { library } from '../../tools/config/tsup.js';

// The command is built on its own, as ESM alone: nobody imports it.
export default [
  // `shims`: import.meta.url in the CommonJS build too, from where uPlot and the versions are found.
  library({ entry: ['src/index.ts'], shims: true, clean: ['!cli.*'] }),
  library({ entry: ['src/cli.ts'], format: ['esm'], dts: false, clean: false }),
];
