/** The entry for browsers: metrics of arrays and of models, without files and feature extractors. */
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
export {
  type ExtractedBatch,
  type ExtractorIdentity,
  type FeatureExtractor,
  type ImageBytes,
} from './extractors/feature-extractor.js';
export { createPixelExtractor, type PixelExtractorOptions } from './extractors/pixels.js';
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
