export { bestRecipe, paperRecipes, sized } from './recipe/named-recipes.js';
export { recipe, type OptimizerChoice, type TrainingRecipe } from './recipe/recipe.js';
export { batchSize, finalSeeds, finalSize, screeningSize, type Scale, type Size } from './recipe/sizes.js';
export { trialFields, type AnyResult, type AnyTrial, type Arm, type Trial } from './recipe/trial.js';
export { halfOf, spreadIndices } from './trial/data.js';
export type { StageResults, TrialResult } from './trial/result.js';
export { runTrial, type Workshop } from './trial/run-trial.js';
export { createSampleMaker, type SampleQuality } from './trial/sample-quality.js';
export { phaseSteps, setUp } from './trial/setup.js';
export { trainingStep } from './trial/training-step.js';
export { createValidator, type Validation } from './trial/validation.js';
export {
  discriminatorObjective,
  ganLayouts,
  ganRecipe,
  ganStart,
  generatorObjective,
  trainGan,
  type GanRecipe,
} from './contrast/gan.js';
export { createPainter, encode, encoderLayout, LATENT, startOf, type ImageShape } from './contrast/networks.js';
export { openObjective, type OpenObjective } from './contrast/objective.js';
export { runSteps } from './contrast/training.js';
export { decoderOf, trainVae, vaeLayout, vaeObjective, vaeRecipe, vaeStart, type VaeRecipe } from './contrast/vae.js';
export { armTable, bestArm, comparison, rankedArms, trialsOf } from './report/compare.js';
export type { Conclusion, Table } from './report/conclusion.js';
export { curveFigure, limits, measuredHow, smokeOnly } from './report/describe.js';
export { intervalFigure, lineFigure, type Figure, type PlotSpec } from './report/figure.js';
export { lengthFigure, lengthReaches, lengthTable, shortTrials } from './report/lengths.js';
export { finalInterval, finalValue, pairedRatio } from './report/metrics.js';
export type { Picture } from './report/picture.js';
export { interval, intervalText, type Interval } from './report/statistics.js';
export { reaches, reachTable } from './report/steps-to-target-table.js';
export { speedupText, type Reach } from './report/steps-to-target.js';
export type { Experiment } from './run/experiment.js';
export { runExperiment, trainings } from './run/run-experiment.js';
