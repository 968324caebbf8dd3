export type {
  ApplyOptions,
  DropoutSpec,
  Init,
  LayerCost,
  Model,
  ParamKind,
  ParamSpec,
  WeightNormalization,
} from './model.js';
export { ConfigError, type ConfigErrorCode } from './config-error.js';
export { basicUNet2d } from './unet/unet2d.js';
export { unet2d, unet2dConfig } from './unet/extended.js';
export { diffusersJson } from './diffusers-json.js';
export { unet2dDefaults, type UNet2DConfig, type UNet2DOptions } from './unet/config.js';
export { unetPresets } from './unet/presets.js';
export { dit } from './dit/dit.js';
export { ditConfig, type DiTConfig, type DiTOptions } from './dit/config.js';
export { ditSizes, type DiTSizeName } from './dit/sizes.js';
export { ditTransformer2d } from './dit/transformer2d.js';
export { ditTransformer2dConfig, type DiTTransformer2DConfig } from './dit/transformer2d-config.js';
export { uvit } from './uvit/uvit.js';
export { uvitConfig, type UViTConfig } from './uvit/config.js';
export { uvitSizes } from './uvit/sizes.js';
export { songUNet } from './nvlabs/song-unet.js';
export {
  songUNetConfig,
  songUNetDefaults,
  type SongUNetConfig,
  type SongUNetOptions,
} from './nvlabs/song-unet-config.js';
export { edm2UNet } from './nvlabs/edm2-unet.js';
export {
  edm2UNetConfig,
  edm2UNetDefaults,
  type Edm2UNetConfig,
  type Edm2UNetOptions,
} from './nvlabs/edm2-unet-config.js';
export { edmPrecond, type EdmPrecondConfig } from './edm-precond.js';
export { type ModelClass, modelClasses } from './model-classes.js';
export { bufferLayout, namedParameters, parameterLayout, type ParamGroup } from './layout.js';
export { flatten, initialize, initializeFlat } from './initialize.js';
export { fromTorch, fromTorchTensors, torchAxes, torchShape, toTorch, transpose } from './torch-layout.js';
export { loadWeights } from './load-weights.js';
export {
  type ClassLabel,
  fromPretrained,
  type LoadedModel,
  loadModel,
  type LoadOptions,
  type PretrainedModel,
  type SampleRequest,
} from './from-pretrained.js';
export { type FileSource, folderSource, urlSource } from './pipeline/file-source.js';
export { type Pipeline, readPipeline } from './pipeline/read-pipeline.js';
export { type PipelineContent, pipelineFiles, type PipelineFiles } from './pipeline/pipeline-files.js';
export { PipelineError, type PipelineErrorCode } from './pipeline/pipeline-error.js';
export {
  readScheduler,
  type ReadScheduler,
  type SchedulerSettings,
  writeScheduler,
  type WrittenScheduler,
} from './pipeline/scheduler-config.js';
export {
  type ClippingConfig,
  type DiffusionConfig,
  type LatentScaling,
  discreteSchedule,
  type DiscreteScheduleConfig,
  type SamplingConfig,
} from './pipeline/diffusion-config.js';
export { createModelSampler, type ModelSamplerOptions, samplingBatchSize } from './pipeline/model-sampler.js';
export { classCondition, type ClassCondition, type ClassLabels } from './pipeline/class-condition.js';
export { SafetensorsError, type SafetensorsErrorCode } from './safetensors/header.js';
export { parseSafetensors, type SafetensorsFile } from './safetensors/parse.js';
export { formatSafetensors, safetensorsHeader, type SafetensorsOptions } from './safetensors/format.js';
export { findWeights, type FoundWeights } from './safetensors/find-weights.js';
export { parseShards, shardNames } from './safetensors/shards.js';
export { type ModelSummary, type ModuleSummary, summary, summaryText } from './summary.js';
