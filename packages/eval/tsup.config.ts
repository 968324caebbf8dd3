import { browserEntry, keepBrowser, library } from '../../tools/config/tsup.js';

// `shims` provides import.meta.url, which locates the weights in assets/, in the CommonJS build.
export default [library({ shims: true, clean: keepBrowser }), browserEntry()];
