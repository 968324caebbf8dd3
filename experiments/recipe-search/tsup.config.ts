import { library } from '../../tools/config/tsup.js';

export default library({ entry: ['src/main.ts'], format: ['esm'], dts: false });
