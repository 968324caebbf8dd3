export { train } from './train.js';
export type { TrainOptions, TrainResult, TrainStatus } from './train.js';
export type { RunStarted, TrainHooks } from './session/hooks.js';
export { generateSamples, type GenerateSamplesOptions, type GeneratedSamples } from './sampling/generate-samples.js';
export { exportRun, type ExportedRun, type ExportRunOptions } from './interchange/export-run.js';
export { exportModel, type ExportFormat, type ExportOptions, type ExportResult } from './interchange/export.js';
export { denoiserOnnx, type DenoiserOnnxOptions } from './interchange/onnx-denoiser.js';
export {
  reconstructEma,
  type ReconstructEmaOptions,
  type ReconstructEmaResult,
} from './interchange/reconstruct-ema.js';
export { importPipeline, type ImportOptions, type ImportResult } from './interchange/import.js';
export { writeImages, type Images } from './files/images.js';

export { configSchema, type Config, type PartialConfig } from './config/schema.js';
export { objectives } from './config/objectives.js';
export { presets } from './config/presets.js';
export { configJsonSchema } from './config/json-schema.js';
export { dryRun, type DryRun, type DryRunOptions, type TrainingPlan } from './bench/dry-run.js';
export { configFile } from './config/config-file.js';
export { assignment, resolveConfig, type Layer } from './config/resolve.js';

export { engineNames, extractorNames, type EngineName } from './config/names.js';
export { openEngine, type EngineOptions } from './setup/engine.js';
export { checkEngine, type EngineReport } from './setup/check-engine.js';

export type { Denoiser } from './setup/denoiser.js';
export { alone, type Group } from './setup/group.js';
export { createDenoiser, createTrainingSetup } from './setup/node-setup.js';
export type { BatchRequest, BatchSource, SourceBatch, TrainingSetup } from './setup/training-setup.js';
export { batchSource } from './setup/batch-source.js';
export { openTrainingSetup, type OpenedTrainingSetup } from './setup/open-training-setup.js';
export { modelTypes, type ModelTypeName } from './config/model-types.js';
export { drawTimesteps, fetchBatch, stepInputs, type Batch, type DrawnTimesteps } from './step/batch.js';
export { denoisingLosses, type ConvertPrediction, type LossDenoiser } from './step/denoising-losses.js';
export { trainingStep } from './step/step-program.js';
export { compileStep, type CompiledStep, type StepResult } from './step/compiled-step.js';
export { NonFiniteGuard } from './step/non-finite-guard.js';
export { trainingSteps, trainStep } from './step/training-loop.js';
export type { StepOutcome, TrainingStepsOptions, TrainStepResult } from './step/training-loop.js';
export { initialState } from './checkpoint/state.js';

export { readCheckpoint, writeCheckpoint } from './checkpoint/checkpoint.js';
export type { Checkpoint, FileContent, FilePart } from './checkpoint/content.js';
export { latestCheckpoint, type LatestCheckpoint, type SkippedCheckpoint } from './checkpoint/checkpoint-folder.js';
export type { Manifest } from './checkpoint/manifest-format.js';
export { readMetrics, withoutMeasurements } from './run/metrics.js';
export type { MetricsRecord } from './run/metrics-record.js';
export { metricsCsv } from './logs/csv.js';
export { writeReport } from './report/report.js';
export type { ReportOptions } from './report/run-data.js';
export { escapeMarkdown, markdownFigure, markdownTable } from './report/markdown.js';
export { experimentsPage, writeExperimentsPage } from './report/experiments-page.js';
export { readExperiments, type ExperimentFolder, type ExperimentResults } from './report/experiment-results.js';
export { runFolder, type RunFolder } from './run/run-folder.js';
export { bench, type BenchOptions, type BenchResult } from './bench/bench.js';
export { profileStep, type BlockCost, type Cost, type OpCost, type StepProfile } from './bench/profile.js';
export { spread, type Spread } from './bench/spread.js';
export { evaluateSets, type EvaluateSetsOptions } from './eval/sets/evaluate-sets.js';
export { compareSets, type CompareSetsOptions, type SetsComparison } from './eval/consistency/compare-sets.js';
export { validationLoss, type ValidationLossOptions } from './eval/validation/validation-loss.js';
export { createValidationSet, createValidator } from './eval/validation/validator.js';
export type { ValidationLoss, ValidationSet, ValidationSetting, Validator } from './eval/validation/validator.js';
export { computeBounds, type Bounds } from './eval/validation/bounds.js';
export { denoiserAgreement, type DenoiserOptions, type LevelAgreement } from './eval/consistency/denoisers.js';
export { openExtractor, type ExtractorOptions } from './eval/extractors/extractor.js';
export {
  openNoiseProbe,
  type NoiseProbe,
  type NoiseProbeOptions,
  type ProbeSetting,
} from './eval/difficulty/noise-probe.js';
export { readDifficulty, type DifficultyLog } from './eval/difficulty/file.js';
export { probeCheckpoints, type ProbeCheckpointsOptions } from './eval/difficulty/probe-checkpoints.js';
export {
  heatMapSpec,
  lineSpec,
  plotSvg,
  stacked,
  type Axis,
  type HeatMap,
  type LinePlot,
  type Series,
} from './plot/svg.js';
export {
  createProbeObjective,
  openRunObjective,
  type RunObjective,
  type RunObjectiveOptions,
} from './eval/landscape/run-objective.js';
export { UserError, type UserErrorCode } from './errors.js';
