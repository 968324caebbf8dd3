import { library } from '../../tools/config/tsup.js';

export default library({ entry: ['src/index.ts', 'src/make-bounds.ts', 'src/make-extractor.ts'], format: ['esm'] });
