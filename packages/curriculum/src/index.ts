export type { Mixture, TimestepSample, ScheduleState, TimestepSchedule } from './schedule.js';
export type { ScheduleContext, ScheduleFactory } from './context.js';

// CLTS and its controls.
export { clts, cltsGaussians, ramps } from './clts.js';
export type { CltsOptions, Ramp } from './clts.js';
export { cltsCorrected, cltsLogSnr, cltsReversed, cltsTimeAverage, cltsWide } from './clts-controls.js';
export { coordinates, type Coordinate } from './coordinates.js';
export { continuousCoordinates } from './continuous.js';
export type { ClosedForm, ContinuousCoordinate, ContinuousLevels } from './continuous.js';

// Baselines.
export {
  betaTimesteps,
  cosmapTimesteps,
  edm2Timesteps,
  edmTimesteps,
  invertedParabolaTimesteps,
  laplaceTimesteps,
  logitNormalTimesteps,
  modeTimesteps,
  sigmoidTimesteps,
  uniformTimesteps,
} from './densities.js';
export type {
  BetaOptions,
  LaplaceOptions,
  LogitNormalOptions,
  LogNormalOptions,
  ModeOptions,
  WeightBiasOptions,
} from './densities.js';
export { lossSecondMoment, type LossSecondMomentOptions } from './loss-second-moment.js';
export { difficultyCurriculum } from './difficulty-curriculum.js';
export type { DifficultyCurriculumOptions } from './difficulty-curriculum.js';
export { curriculumSampling, type CurriculumSamplingOptions } from './curriculum-sampling.js';
export { infoNoise } from './info-noise.js';
export { excessLoss, type ExcessLossOptions } from './excess-loss.js';
export type { AdaptiveOptions } from './adaptive-density.js';
export { speed, type SpeedOptions } from './speed.js';
export {
  createTimestepSchedule,
  timestepScheduleDefaults,
  timestepScheduleNames,
  timestepSchedules,
} from './registry.js';
export type { TimestepScheduleName, TimestepScheduleOptions } from './registry.js';

// Loss weights, and building blocks for custom schedules.
export {
  weightedPredictions,
  snrFromAlphasCumprod,
  snrFromSigma,
  lossWeightings,
  lossWeights,
  lossWeightScale,
} from './loss-weights.js';
export type { WeightedPrediction, LossWeighting } from './loss-weights.js';
export { discreteSchedule, importanceWeights, staticSchedule, type DiscreteSchedule } from './discrete.js';
export {
  curriculumTable,
  effectiveSampleSize,
  summarizeDensity,
  type CurriculumTable,
  type DensitySummary,
} from './table.js';
export { densityByMass, type DensityCoordinate } from './transfer.js';
