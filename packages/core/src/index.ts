export { philox4x32 } from './random/philox.js';
export { streams, type StreamName } from './random/streams.js';
export type { BatchKey, RandomKey } from './random/key.js';
export {
  dropoutMask,
  type Float32NdArray,
  normal,
  normalBatch,
  permutation,
  uniform,
  uniformBatch,
  uniformEach,
  uniformU32,
} from './random/draw.js';
