import './gradients.js';

export * from './engine.js';
export { DmError, type DmErrorOptions } from './errors.js';
export * from './flat.js';
export * from './kernels.js';
export { attention, type AttentionOptions } from './attention.js';
export { conv2d, type Conv2DOptions } from './conv2d.js';
export { gelu, type GeluOptions } from './gelu.js';
export { groupNorm, type GroupNormOptions } from './group-norm.js';
export { layerNorm, type LayerNormOptions } from './layer-norm.js';
export { recompute } from './recompute.js';
export { currentScope, scope } from './scope.js';
export { silu } from './silu.js';
export { upsampleNearest, type UpsampleNearestOptions } from './upsample.js';
export { isCommitted } from './nd-array.js';
export { eagerEngine, type EagerOptions } from './eager-engine.js';
export type { EagerName } from './eager-backends.js';
export { caseValues, type CaseInput, type OpCall, type OpCase, opCaseInputs, opCaseProgram, opCases } from './cases.js';
