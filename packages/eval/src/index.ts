export {
  consistency,
  type ConsistencyOptions,
  type ConsistencyReport,
  type MetricReport,
  type PairReport,
} from './consistency.js';
export { bootstrapMean, type BootstrapOptions, type Estimate } from './bootstrap.js';
export { meanAbsoluteError, psnr, type PairMetricName } from './pair-metrics.js';
export { meanSsim, type SsimOptions } from './ssim.js';
export { type SampleSet } from './sample-set.js';
export { type Features } from './features.js';
export {
  accumulateStatistics,
  featureStatistics,
  type FeatureStatistics,
  type StatisticsAccumulator,
  type StatisticsSums,
} from './statistics.js';
export { frechetDistance, frechetDistanceFrom, type FrechetResult } from './frechet.js';
export { frechetInfinity, type FrechetInfinityOptions, type FrechetInfinityResult } from './frechet-infinity.js';
export { kernelDistance, unbiasedMmd2, type KidOptions } from './kid.js';
export { densityCoverage, precisionRecall, type ManifoldOptions } from './manifold.js';
export { inceptionScore, type InceptionScoreOptions } from './inception-score.js';
export { chosenImages, datasetSource, type ImageSource, type SourceOptions } from './sources/image-source.js';
export { arraySource, sourceOfArray } from './sources/array-source.js';
export { folderSource } from './sources/folder-source.js';
export {
  type ExtractedBatch,
  type ExtractorIdentity,
  type FeatureExtractor,
  type ImageBytes,
} from './feature-extractor.js';
export { extractFeatures, identityOf, type ExtractionOptions, type ImageFeatures } from './extraction.js';
export {
  holdsStatistics,
  cachedStatistics,
  readStatistics,
  statisticsFile,
  writeStatistics,
} from './reference-statistics.js';
export {
  checkMetrics,
  evaluate,
  type EvaluateOptions,
  type Evaluation,
  frechetLabel,
  kernelLabel,
  type MetricName,
  metricNames,
  metricDescriptions,
  type MetricValue,
  requiredFeatures,
  type SetSummary,
} from './evaluate.js';
export { pixelExtractor, type PixelExtractorOptions } from './pixel-extractor.js';
export { classifierExtractor, classifierHelp, type ClassifierOptions } from './extractors/classifier.js';
export { trainClassifier, type TrainClassifierOptions, type TrainedClassifier } from './extractors/train-classifier.js';
export {
  inceptionExtractor,
  inceptionHelp,
  inceptionTaps,
  type InceptionOptions,
  type InceptionTap,
} from './extractors/inception.js';
export {
  mobilenetExtractor,
  type MobilenetOptions,
  randomExtractor,
  type RandomOptions,
} from './extractors/mobilenet.js';
export { type ExtractorEngineOptions } from './extractors/network-extractor.js';
export { resizeMethods, type ResizeMethod } from './extractors/resize.js';
export {
  type BucketCoordinate,
  bucketCoordinates,
  type NoiseBucket,
  noiseBuckets,
  stratifiedTimesteps,
} from './difficulty/noise-buckets.js';
export { rankCorrelation, smoothed, timeToStayBelow } from './difficulty/curves.js';
export {
  type BucketDifficulty,
  difficulty,
  type DifficultyOptions,
  type DifficultyRecord,
  type DifficultyReport,
  type TimeToWithin,
} from './difficulty/difficulty.js';
export { type FlatVector, type Objective } from './landscape/objective.js';
export { interpolate, type Interpolation, type InterpolationOptions } from './landscape/interpolation.js';
export { filterDirection, type Plane, type PlaneOptions, planeSlice } from './landscape/plane.js';
export { hessianProduct, type HessianProduct, type HessianProductOptions } from './landscape/hessian-product.js';
export { lanczos, type LanczosOptions, type LanczosRun } from './landscape/lanczos.js';
export {
  type Eigenvalue,
  hessianSpectrum,
  type HessianSpectrum,
  type SpectralDensity,
  spectralDensity,
  type SpectrumOptions,
} from './landscape/spectrum.js';
