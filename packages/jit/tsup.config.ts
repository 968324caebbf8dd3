import { library } from '../../tools/config/tsup.js';

// `import.meta.url` in CommonJS too: ONNX Runtime's library is looked for from the package's own place.
export default library({ shims: true });
