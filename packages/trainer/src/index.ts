export { train, trainLayers } from './train.js';
export type { TrainOptions, TrainResult, TrainStatus } from './train.js';
export type { RunStarted, TrainHooks } from './hooks.js';
export { sample, type SampleOptions, type SampleResult } from './sample.js';
export { exportModel, type ExportFormat, type ExportOptions, type ExportResult } from './export/export.js';
export { denoiserOnnx, type DenoiserOnnxOptions } from './export/onnx-denoiser.js';
export { importPipeline, type ImportOptions, type ImportResult } from './import/import.js';
export { gridPng, writeImages, type Images } from './images.js';

export { configSchema, trainingPart, type Config, type PartialConfig } from './config.js';
export { presets } from './presets.js';
export { configJsonSchema } from './json-schema.js';
export { dryRun, type DryRun } from './dry-run.js';
export { assignment, configFile, resolveConfig, type Layer } from './resolve.js';

export { engineNames, openEngine, type EngineName, type EngineOptions } from './engine.js';
export { examineEngine, type EngineReport } from './examine.js';

export { createDenoiser, openRecipe, type Denoiser, type Recipe } from './recipe.js';
export { modelTypes, type ModelTypeName } from './model-types.js';
export { drawTimesteps, fetchBatch, stepInputs, type Batch } from './batch.js';
export { accumulationStep, trainingStep } from './step.js';
export { openStepper, type Stepper, type StepResult } from './stepper.js';
export { initialState, packState, readWeights, unpackState } from './state.js';

export { latestValid, readCheckpoint, writeCheckpoint } from './checkpoint.js';
export type { Checkpoint, FileContent, FilePart, Latest, Manifest } from './checkpoint.js';
export { readMetrics, withoutMeasured, type MetricsRecord } from './metrics.js';
export { metricsCsv } from './logs/csv.js';
export { writeReport } from './report/report.js';
export { experimentsPage, writeExperimentsPage } from './report/experiments-page.js';
export { readExperiments, type ExperimentFolder, type ExperimentResults } from './report/experiment-results.js';
export { runFolder, type RunFolder } from './run-folder.js';
export { bench, type BenchOptions, type BenchResult } from './bench/bench.js';
export { profileStep, type BlockCost, type Cost, type OpCost, type StepProfile } from './bench/profile.js';
export { spread, type Spread } from './bench/spread.js';
export { readBest, type Best } from './best.js';
export { evaluateSets, type EvaluateSetsOptions } from './eval/evaluate-sets.js';
export { compareSets, type CompareSetsOptions, type SetsComparison } from './eval/compare-sets.js';
export { denoiserAgreement, type DenoiserOptions, type LevelAgreement } from './eval/denoisers.js';
export { extractorNames, openExtractor, type ExtractorOptions } from './eval/extractor.js';
export { noiseProbe, type NoiseProbe, type NoiseProbeOptions, type ProbeSetting } from './eval/noise-probe.js';
export { readDifficulty, type DifficultyLog } from './eval/difficulty-file.js';
export { probeCheckpoints, type ProbeCheckpointsOptions } from './eval/probe-checkpoints.js';
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
export { probeObjective, runObjective, type RunObjective, type RunObjectiveOptions } from './eval/run-objective.js';
export { interpolationPlot, planePlot, spectrumPlot } from './plot/landscape-plot.js';
export { difficultyPlot } from './plot/difficulty-plot.js';
export { UserError } from './errors.js';
