export {
  consistency,
  type ConsistencyOptions,
  type ConsistencyReport,
  type MetricReport,
  type PairReport,
} from './consistency/consistency.js';
export { bootstrapMean, type BootstrapOptions, type Estimate } from './consistency/bootstrap.js';
export { meanAbsoluteError, psnr, type PairMetricName } from './consistency/pair-metrics.js';
export { meanSsim, type SsimOptions } from './consistency/ssim.js';
export { EvalError, type EvalErrorCode } from './errors.js';
export { type SampleSet } from './consistency/sample-set.js';
export { type Features } from './metrics/features.js';
export {
  createStatisticsAccumulator,
  featureStatistics,
  type FeatureStatistics,
  type StatisticsAccumulator,
  type StatisticsSums,
} from './metrics/statistics.js';
export { frechetDistance, frechetDistanceFrom, type FrechetResult } from './metrics/frechet.js';
export {
  frechetInfinity,
  type FrechetInfinityOptions,
  type FrechetInfinityResult,
} from './metrics/frechet-infinity.js';
export { kernelDistance, unbiasedMmd2, type KidOptions } from './metrics/kid.js';
export { densityCoverage, precisionRecall, type ManifoldOptions } from './metrics/manifold.js';
export { memorizedShare, type MemorizationOptions } from './metrics/memorization.js';
export { slicedWasserstein, type SlicedWassersteinOptions } from './metrics/sliced-wasserstein.js';
export { vendiScore } from './metrics/vendi.js';
export { inceptionScore, type InceptionScoreOptions } from './metrics/inception-score.js';
export { selectIndices, openDatasetSource, type ImageSource, type SourceOptions } from './sources/image-source.js';
export { openArraySource, createArraySource } from './sources/array-source.js';
export { openFolderSource } from './sources/folder-source.js';
export {
  type ExtractedBatch,
  type ExtractorIdentity,
  type FeatureExtractor,
  type ImageBytes,
} from './extractors/feature-extractor.js';
export {
  extractFeatures,
  extractorIdentity,
  type ExtractionOptions,
  type ImageFeatures,
} from './evaluation/extract-features.js';
export {
  isStatisticsFile,
  cachedStatistics,
  readStatistics,
  statisticsPath,
  writeStatistics,
} from './evaluation/statistics-file.js';
export {
  checkMetrics,
  checkSets,
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
} from './evaluation/evaluate.js';
export { createPixelExtractor, type PixelExtractorOptions } from './extractors/pixels.js';
export { openClassifierExtractor, classifierHelp, type ClassifierOptions } from './extractors/classifier.js';
export { trainClassifier, type TrainClassifierOptions, type TrainedClassifier } from './extractors/train-classifier.js';
export {
  openInceptionExtractor,
  inceptionHelp,
  inceptionTaps,
  type InceptionOptions,
  type InceptionTap,
} from './extractors/inception.js';
export {
  openMobilenetExtractor,
  type MobilenetOptions,
  openRandomExtractor,
  type RandomOptions,
} from './extractors/mobilenet.js';
export { checkImages, type ExtractorEngineOptions } from './extractors/network-extractor.js';
export { resizeMethods, type ResizeMethod } from './extractors/resize.js';
export {
  type BucketCoordinate,
  bucketCoordinates,
  type NoiseBucket,
  noiseBuckets,
  stratifiedTimesteps,
} from './difficulty/noise-buckets.js';
export {
  type BucketDifficulty,
  difficulty,
  type DifficultyOptions,
  type DifficultyRecord,
  type DifficultyReport,
  type TimeToWithin,
} from './difficulty/difficulty.js';
export { settlingTime, spearmanCorrelation } from './difficulty/curves.js';
export { type FlatVector, type Objective } from './landscape/objective.js';
export { interpolate, type Interpolation, type InterpolationOptions } from './landscape/interpolation.js';
export { filterNormalizedDirection, type Plane, type PlaneOptions, planeSlice } from './landscape/plane.js';
export {
  hessianVectorProduct,
  type HessianVectorProduct,
  type HessianVectorProductOptions,
} from './landscape/hessian-vector-product.js';
export {
  type Eigenvalue,
  hessianSpectrum,
  type HessianSpectrum,
  type SpectralDensity,
  type SpectrumOptions,
} from './landscape/spectrum.js';
export {
  geometricMean,
  type LogSnrBucket,
  logSnrBuckets,
  stratifiedLogSnrs,
  validationRange,
} from './bounds/log-snr-buckets.js';
export { type DenoiserLoss, wienerLoss } from './bounds/wiener.js';
export { type ImageRows, posteriorMeanLosses, type PosteriorMeanOptions } from './bounds/posterior-mean.js';
