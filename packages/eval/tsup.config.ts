import { library } from '../../tools/config/tsup.js';

// `shims`: import.meta.url in the CommonJS build too, from where the weights in assets/ are found.
export default library({ shims: true });
