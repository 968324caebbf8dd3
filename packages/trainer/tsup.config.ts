import { library } from '../../tools/config/tsup.js';

// `shims`: import.meta.url in the CommonJS build too, from where uPlot and the versions are found.
export default library({ entry: ['src/index.ts', 'src/cli.ts'], shims: true });
