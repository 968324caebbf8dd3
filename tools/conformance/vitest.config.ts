import { mergeConfig } from 'vitest/config';
import { suite } from '../../tools/config/vitest.js';

// tfjs-node brings a second copy of the cpu and webgl kernels; TF.js says so once for each of them.
const noise =
  /you are running TensorFlow.js in Node.js|^The kernel '\w+' for backend|^Platform node has already been set/;

export default mergeConfig(suite(), {
  test: { onConsoleLog: (log: string) => (noise.test(log) ? false : undefined) },
});
