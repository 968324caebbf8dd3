export { philox4x32 } from './random/philox.js';
export type { StreamName } from './random/streams.js';
export type { BatchKey, RandomKey } from './random/key.js';
export {
  dropoutMask,
  normal,
  normalBatch,
  permutation,
  uniform,
  uniformBatch,
  uniformEach,
  uniformU32,
} from './random/draw.js';
export { nearestNoise } from './random/nearest-noise.js';

export { type NoiseSchedule, scheduleFromBetas } from './schedules/schedule.js';
export { type BetaRange, linearSchedule } from './schedules/linear.js';
export { scaledLinearSchedule } from './schedules/scaled-linear.js';
export { sigmoidSchedule } from './schedules/sigmoid.js';
export { rescaleZeroTerminalSnr } from './schedules/zero-terminal-snr.js';
export {
  alphaCumprodFromEdmSigma,
  alphaCumprodFromLogSnr,
  edmSigmas,
  logSnrs,
  snrs,
  timestepOfEdmSigma,
  timestepOfLogSnr,
} from './schedules/accessors.js';
export { type CosineOptions, cosineSchedule } from './schedules/cosine.js';
export {
  noiseScheduleFromConfig,
  type NoiseScheduleConfig,
  type NoiseScheduleName,
  noiseSchedules,
} from './schedules/registry.js';

export { halfLogSnr, levelAt, type NoiseLevel, type NoisePath, vpLevelFromSigma } from './levels/level.js';
export { spacedTimesteps, type Spacing, type SpacingOptions, spacings } from './levels/spacing.js';
export { edmLevel, edmPath, edmRange, type KarrasOptions, karrasSigmas } from './levels/edm.js';
export {
  type DynamicShift,
  dynamicFlowShift,
  flowLevel,
  flowPath,
  type FlowPathOptions,
  flowSpacings,
  shiftFlowTime,
} from './levels/flow.js';
export { discretePath, type DiscretePathOptions } from './levels/path.js';
export {
  type ContinuousScheduleConfig,
  defaultSpacing,
  hasZeroTerminalSnr,
  noisePathFromConfig,
  type NoisePathConfig,
} from './levels/registry.js';

export {
  type Conversion,
  conversion,
  inputScale,
  type TargetCoefficients,
  type Prediction,
  type PredictionOptions,
  predictions,
  squaredErrorScale,
  targetCoefficients,
} from './process/prediction.js';
export { forwardInputs, networkInputs, noiseLevels, targetInputs } from './process/coefficients.js';
export { addNoise, convertPrediction, predictionTarget } from './process/forward.js';

export { huberLoss, l1Loss, mseLoss, type PointwiseLoss, weightedMean } from './losses/pointwise.js';

export {
  boundInputs,
  type BoundInputs,
  boundTerm,
  learnedVarianceLoss,
  priorTerm,
} from './losses/variational-bound.js';
export { type BitsPerDim, bitsPerDim, type BitsPerDimOptions } from './losses/bits-per-dim.js';

export type { LinearForm, Sampler, SamplerPlan, Stage } from './samplers/sampler.js';
export { ddpm, type DdpmOptions, ddpmVariances } from './samplers/ddpm.js';
export { ddim, type DdimOptions } from './samplers/ddim.js';
export type { ChurnOptions } from './samplers/churn.js';
export { euler, type EulerOptions } from './samplers/euler.js';
export { type AncestralOptions, eulerAncestral } from './samplers/euler-ancestral.js';
export { heun, type HeunOptions } from './samplers/heun.js';
export { lms, type LmsOptions } from './samplers/lms.js';
export { dpm2, dpm2Ancestral, type Dpm2Options, dpmSolver2SAncestral } from './samplers/midpoint.js';
export {
  dpmSolver2M,
  dpmSolver2MSde,
  dpmSolver3M,
  dpmSolver3MSde,
  type DpmSolverOptions,
  dpmSolverTypes,
  type SdeOptions,
} from './samplers/dpm-solver.js';
export { uniPc, type UniPcOptions, uniPcTypes } from './samplers/unipc.js';
export { samplerFromConfig, type SamplerConfig, type SamplerName, samplers } from './samplers/registry.js';
export { withChurn, samplerStep, stageInputs } from './samplers/step.js';
export type { Guidance } from './samplers/guidance.js';
export type { X0Clipping } from './samplers/x0-clipping.js';
export {
  createSampler,
  type ImageSampler,
  type Predict,
  sampleImages,
  type SampleOptions,
  type SamplerOptions,
  type SamplingProgress,
} from './samplers/create-sampler.js';
