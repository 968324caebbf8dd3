/**
 * The training step without Node, the same as in `dm train`: for web pages, and for programs that store runs themselves.
 *
 *   const config = resolveConfig([{ source: 'page', value: { model: 'dit', batchSize: 16, totalSteps: 2000 } }]);
 *   const setup = createTrainingSetup(config, batchSource(dataset));
 *   const step = await compileStep(setup, engine, startingState(setup));
 *   for await (const { step: done, result } of trainingSteps(setup, step)) console.log(done, result.loss);
 */
export { configSchema, type Config, type PartialConfig } from './config/schema.js';
export { presets } from './config/presets.js';
export { resolveConfig, type Layer } from './config/resolve.js';
export { modelTypes, type ModelTypeName } from './config/model-types.js';
export { batchSource } from './setup/batch-source.js';
export { createDenoiser, type Denoiser } from './setup/denoiser.js';
export { alone, type Group } from './setup/group.js';
export { startingState } from './setup/state-table.js';
export {
  createTrainingSetup,
  type BatchRequest,
  type BatchSource,
  type SourceBatch,
  type TrainingSetup,
} from './setup/training-setup.js';
export { drawTimesteps, fetchBatch, stepInputs, type Batch, type DrawnTimesteps } from './step/batch.js';
export { denoisingLosses, type ConvertPrediction, type LossDenoiser } from './step/denoising-losses.js';
export { trainingStep } from './step/step-program.js';
export { compileStep, type CompiledStep, type StepResult } from './step/compiled-step.js';
export { NonFiniteGuard } from './step/non-finite-guard.js';
export {
  trainingSteps,
  trainStep,
  type StepOutcome,
  type TrainingStepsOptions,
  type TrainStepResult,
} from './step/training-loop.js';
export { UserError, type UserErrorCode } from './errors.js';
