export * from './schedule.js';
export type { ScheduleContext, ScheduleFactory } from './context.js';

// The method.
export { clts, cltsDefaults, cltsDensity, cltsParts, ramps } from './clts.js';
export type { CltsOptions, CltsParts, Ramp } from './clts.js';
export { cltsCorrected, cltsLogSnr, cltsReversed, cltsTimeAverage } from './clts-twins.js';
export { coordinates, type Coordinate } from './coordinates.js';

// Baselines.
export { uniform } from './uniform.js';
export { lossSecondMoment, lossSecondMomentDefaults, type LossSecondMomentOptions } from './loss-second-moment.js';
export { difficultyCurriculum, difficultyCurriculumDefaults } from './difficulty-curriculum.js';
export type { DifficultyCurriculumOptions } from './difficulty-curriculum.js';
export { edm, edm2, edm2Defaults, edmDefaults, type LogNormalOptions } from './edm.js';
export { laplace, laplaceDefaults, type LaplaceOptions } from './laplace.js';
export { cosmap, logitNormal, logitNormalDefaults, mode, modeDefaults } from './sd3.js';
export type { LogitNormalOptions, ModeOptions } from './sd3.js';
export { speed, speedDefaults, type SpeedOptions } from './speed.js';
export { beta, betaDefaults, type BetaOptions } from './beta.js';
export { createSchedule, scheduleNames, schedules } from './registry.js';
export type { ScheduleName, ScheduleOptions } from './registry.js';

// Loss weights, and what a schedule of one's own is made from.
export { predictions, snrFromAlphasCumprod, snrFromSigma, weightRuleNames, weights } from './weights.js';
export type { Prediction, WeightRule } from './weights.js';
export { discreteSchedule, importanceWeights, staticSchedule, type DiscreteSchedule } from './discrete.js';
export { densityByMass, type DensityCoordinate } from './transfer.js';
