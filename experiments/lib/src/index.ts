export { digitRecipes, type DigitRecipe } from './digits/recipes.js';
export { digitRuns, isTrained, trainDigits, type DigitTraining } from './digits/train-digits.js';
export { muonRecipe, paperRecipes, publicClts, recipeAtScale } from './recipe/named-recipes.js';
export { recipe, type OptimizerChoice, type TrainingRecipe } from './recipe/recipe.js';
export { batchSize, finalSeeds, finalSize, screeningSize, type Scale, type Size } from './recipe/sizes.js';
export { trialFields, type AnyResult, type AnyTrial, type Arm, type Trial } from './recipe/trial.js';
export { bestRate, type BestRate } from './trial/best-rate.js';
export { batchTransform } from './trial/coupling.js';
export {
  finalLoss,
  runCurveTrial,
  summarizeCurve,
  type CurveMeasurements,
  type CurveResult,
  type CurveTrial,
} from './trial/curve-trial.js';
export { evenlySpacedIndices, halfSplit, holdOut } from './trial/data.js';
export type { StageResults, TrialResult } from './trial/result.js';
export { runTrial, type TrialContext } from './trial/run-trial.js';
export {
  createImageSampler,
  createSharedNoiseSampler,
  sharedNoise,
  type SampleQuality,
} from './trial/sample-quality.js';
export { createPhases, phaseSteps } from './trial/setup.js';
export {
  measureStepTimes,
  stepTimeTrial,
  type StepTimeResult,
  type StepTimes,
  type StepTimeTrial,
} from './trial/step-times.js';
export { trialSteps } from './trial/trial-steps.js';
export { createValidator, type Validation } from './trial/validation.js';
export { closedFormLosses, meanLoss } from './trial/validation-bounds.js';
export {
  ganRecipe,
  generatorObjective,
  initialGanWeights,
  trainGan,
  type GanNetworks,
  type GanRecipe,
} from './contrast/gan.js';
export {
  createDecoder,
  decode,
  decoderLayout,
  encode,
  encoderLayout,
  initialWeights,
  LATENT_SIZE,
  sharedLatents,
  type ImageShape,
} from './contrast/networks.js';
export { compileObjective, type CompiledObjective } from './contrast/objective.js';
export { runContrastTraining } from './contrast/training.js';
export { decoderWeights, initialVaeWeights, trainVae, vaeRecipe, type VaeRecipe } from './contrast/vae.js';
export { armTable, bestArm, compareArms, rankArms, trialGrid, withCommittedSpelling } from './report/compare.js';
export type { Conclusion, Table } from './report/conclusion.js';
export { bestRecipeNotice, curveFigure, measurementMethod, scaleCaveats, truncateForSmoke } from './report/describe.js';
export { intervalFigure, lineFigure, writeFigure, type Figure, type PlotSpec } from './report/figure.js';
export { formatLogRatio } from './report/format-log-ratio.js';
export { finalInterval, finalValue, pairedRatio } from './report/metrics.js';
export { writePicture, type Picture } from './report/picture.js';
export { runLengthFigure, runLengthTable, shortTrials, stepsToTargetByRunLength } from './report/run-lengths.js';
export { confidenceInterval, formatInterval, geometricInterval, type ConfidenceInterval } from './report/statistics.js';
export { stepsToTargetByArm, stepsToTargetTable } from './report/steps-to-target-table.js';
export { formatSpeedup, type StepsToTarget } from './report/steps-to-target.js';
export type { Experiment } from './run/experiment.js';
export { machineName } from './run/machine.js';
export { runExperiment, trainingRunner } from './run/run-experiment.js';
export { tQuantile } from './statistics/student-t.js';
export { validationBounds } from './report/bounds.js';
export { firstFailure } from './statistics/failure.js';
export { passesGate, rangeTitles } from './statistics/gate.js';
export { logSpeedup, openEnds, type LogSpeedup, type MetricFloor } from './statistics/log-speedup.js';
export { parabolaMinimum } from './statistics/parabola.js';
export { randomEffects } from './statistics/random-effects.js';
export { holm, pValue, type Interval } from './statistics/recipe-table.js';
export { fitSpeedups, power, type SpeedupEstimate } from './statistics/speedup-table.js';
