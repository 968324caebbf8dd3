export type { ApplyOptions, DropoutSpec, Init, LayerCost, Model, ParamKind, ParamSpec } from './model.js';
export { ConfigError, type ConfigErrorCode } from './config-error.js';
export { unet2d } from './unet/unet2d.js';
export { diffusersJson } from './diffusers-json.js';
export { unet2dConfig, type UNet2DConfig, type UNet2DOptions } from './unet/config.js';
export { unetPresets } from './unet/presets.js';
export { dit } from './dit/dit.js';
export { ditConfig, type DiTConfig, type DiTOptions } from './dit/config.js';
export { ditSizes, type DiTSizeName } from './dit/sizes.js';
export { ditTransformer2d } from './dit/transformer2d.js';
export { ditTransformer2dConfig, type DiTTransformer2DConfig } from './dit/transformer2d-config.js';
export { uvit } from './uvit/uvit.js';
export { uvitConfig, type UViTConfig } from './uvit/config.js';
export { uvitSizes } from './uvit/sizes.js';
export { edmPrecond, type EdmPrecondConfig } from './edm-precond.js';
export { type ModelClass, modelClasses } from './model-classes.js';
export { bufferLayout, parameterLayout, type ParamGroup } from './layout.js';
export { flatten, initialize, initializeFlat } from './initialize.js';
export { fromTorch, fromTorchTensors, torchAxes, torchShape, toTorch, transpose } from './torch-layout.js';
export { loadWeights } from './load-weights.js';
export { SafetensorsError, type SafetensorsErrorCode } from './safetensors/header.js';
export { parseSafetensors, type SafetensorsFile } from './safetensors/parse.js';
export { formatSafetensors, safetensorsHeader } from './safetensors/format.js';
export { parseShards, shardNames } from './safetensors/shards.js';
export { type ModelSummary, type ModuleSummary, summary, summaryText } from './summary.js';
export {
  caseModel,
  caseWeight,
  caseWeights,
  type GradientPrint,
  gradientPrints,
  hashed,
  type ModelCase,
  modelCaseInputs,
  modelCaseProgram,
  modelCases,
  modelCaseState,
} from './model-cases.js';
