import { mergeConfig } from 'vitest/config';
import { suite } from '../../tools/config/vitest.js';

// tfjs-node contains a second copy of the cpu and webgl kernels, and TF.js logs a message for each of them.
const noise =
  /you are running TensorFlow.js in Node.js|^The kernel '\w+' for backend|^Platform node has already been set/;

export default mergeConfig(suite(), {
  test: { onConsoleLog: (log: string) => (noise.test(log) ? false : undefined) },
});
