import './gradients.js';

export type {
  DType,
  NdArray,
  Arrays,
  Tensors,
  Program,
  StateHandle,
  CompiledProgram,
  CompileOptions,
  Engine,
} from './engine.js';
export { DmError, type DmErrorOptions } from './errors.js';
export { float32, type Float32NdArray, oneHot, scalar, toScalars, toTensors } from './arrays.js';
export { type FlatEntry, type FlatLayout, flatLayout, splitFlat, viewFlat } from './flat.js';
export { type Pad2D, type DmKernels, type DmKernel, dmKernels } from './kernels.js';
export { autocast, currentPrecision, type Precision, precisions } from './autocast.js';
export { attention, type AttentionOptions } from './attention.js';
export { conv2d, type Conv2DOptions } from './conv2d.js';
export { gelu, type GeluOptions } from './gelu.js';
export { halfToNumber, numberToHalf } from './half.js';
export { groupNorm, type GroupNormOptions } from './group-norm.js';
export { layerNorm, type LayerNormOptions } from './layer-norm.js';
export { remat } from './remat.js';
export { currentScope, scope } from './scope.js';
export { silu } from './silu.js';
export { upsampleNearest, type UpsampleNearestOptions } from './upsample.js';
export { checkArray, checkFrozenState, isCommitted } from './nd-array.js';
export {
  checkChoice,
  checkInRange,
  checkInteger,
  checkNonNegative,
  checkNumber,
  checkOptions,
  checkPositive,
  type Interval,
} from './checks.js';
export { openEagerEngine, type EagerOptions } from './eager-engine.js';
export type { EagerName } from './eager-backends.js';
