export * from './arm.js';
export { halfOf, smallMnist, SIDE, spreadIndices } from './data.js';
export * from './experiment.js';
export { intervalFigure, lineFigure, writeFigure, type Figure, type PlotSpec, type Series } from './figure.js';
export {
  curve,
  finalInterval,
  finalValue,
  judged,
  metricNames,
  metricTitles,
  pairedRatio,
  valueAt,
  type Metric,
  type Weights,
} from './metrics.js';
export { type Picture } from './picture.js';
export { runExperiment, trainings, type Practice } from './run-experiment.js';
export { runTrial, type Point, type RawAndEma, type TrialResult, type Workshop } from './run-trial.js';
export { createSampleMaker, extractorFile, openRuler, type Ruler, type SampleQuality } from './sample-quality.js';
export { trainingStep } from './training-step.js';
export { phaseSteps, setUp, type Phase } from './setup.js';
export { firstReach, interval, intervalText, type Interval } from './statistics.js';
export { createValidator, type Validation, type Validator } from './validation.js';
export { batchSize, finalSeeds, finalSize, screeningSize } from './sizes.js';
export { armTable, bestArm, comparison, rankedArms, trialsOf, type Judgment } from './compare.js';
export { curveFigure, limits, measuredHow, smokeOnly } from './describe.js';
export { bestRecipe, paperRecipes, sized } from './recipes.js';
export { reach, speedupText, type Reach } from './reach.js';
export { lengthFigure, lengthReaches, lengthTable, shortTrials } from './lengths.js';
export { reaches, reachTable } from './reach-table.js';
export {
  createPainter,
  encode,
  encoderLayout,
  LATENT,
  startOf,
  type ImageShape,
  type Painter,
} from './convolutional.js';
export { runSteps, scalarInputs, vector, zeroVectors, type ContrastOptions } from './contrast-training.js';
export {
  discriminatorObjective,
  ganLayouts,
  ganRecipe,
  ganStart,
  generatorObjective,
  trainGan,
  type GanRecipe,
  type GanWeights,
} from './gan.js';
export { openObjective, type OpenObjective } from './objective.js';
export {
  decoderOf,
  trainVae,
  vaeLayout,
  vaeObjective,
  vaeRecipe,
  vaeStart,
  type VaeRecipe,
  type VaeWeights,
} from './vae.js';
