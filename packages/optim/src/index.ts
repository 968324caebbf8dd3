export type { Optimizer, Scalars } from './optimizer.js';

// Momentum decay with learning-rate compensation.
export {
  momentumDecay,
  demon,
  type MomentumDecayOptions,
  type MomentumShape,
  momentumShapes,
} from './momentum-decay.js';
export { biasCorrection } from './bias-correction.js';

// Optimizers.
export { adamW, type AdamWOptions } from './adamw.js';
export { adam, type AdamOptions } from './adam.js';
export { sgd, type SgdOptions } from './sgd.js';
export { lion, type LionOptions } from './lion.js';
export { adEMAMix, type AdEMAMixOptions } from './ademamix.js';
export { scheduleFreeAdamW, scheduleFreeAverage, type ScheduleFreeOptions } from './schedule-free.js';
export { muon, muonLrAdjustments, type MuonOptions } from './muon.js';
export { createTfOptimizer } from './tf-optimizer.js';
export type { WeightDecay } from './weight-decay.js';
export { clipByGlobalNorm, gradientNorm } from './clip.js';
export { GradScaler, type GradScalerOptions } from './grad-scaler.js';

// Learning-rate schedules and EMA.
export { afterWarmup, constantLr, cosineLr, inverseSqrtLr, linearLr, withWarmup } from './lr-schedules.js';
export type { DecayOptions } from './lr-schedules.js';
export { product, type StepSchedule } from './step-schedule.js';
export { fixedEma, halfLifeEma, karrasEma, powerEma, rationalEma } from './ema.js';
export type { Ema, EmaModelOptions, HalfLifeEmaOptions, PowerEmaOptions } from './ema.js';
export { postHocEmaCoefficients } from './post-hoc-ema.js';
export type { EmaProfile, PostHocCoefficients } from './post-hoc-ema.js';
