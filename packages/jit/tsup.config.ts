import { browserEntry, keepBrowser, library } from '../../tools/config/tsup.js';

// `import.meta.url` in CommonJS too: ONNX Runtime's library is located relative to this package.
export default [library({ shims: true, clean: keepBrowser }), browserEntry()];
