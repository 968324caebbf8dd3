import { browserEntry, keepBrowser, library } from '../../tools/config/tsup.js';

export default [library({ clean: keepBrowser }), browserEntry()];
