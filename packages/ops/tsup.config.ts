import { browserEntry, keepBrowser, library } from '../../tools/config/tsup.js';

export default [
  library({ noExternal: [/register_all_gradients/], clean: keepBrowser }),
  // Bundlers, unlike Node, can import the gradients of TF.js from its package, and share its modules.
  browserEntry({ entry: { browser: 'src/index.ts' }, dts: false }),
];
