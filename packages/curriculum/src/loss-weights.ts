/**
 * Loss weights by noise level, as functions of plain arrays.
 *
 * Every rule is one weight on the squared error of x0, w_x0(SNR), seen through what the network predicts. For a
 * variance-preserving process |x0 error|^2 = |epsilon error|^2 / SNR = |v error|^2 / (SNR + 1), so
 *
 *   w_epsilon = w_x0 / SNR,    w_v = w_x0 / (SNR + 1) = w_epsilon SNR / (SNR + 1),
 *   w_F = w_x0 sd^2 / (1 + sd^2 SNR)    for EDM's F, since D = c_skip x + c_out F and c_out^2 = sigma^2 sd^2 / (sigma^2 + sd^2).
 *
 * With sigma for the noise-to-signal ratio, SNR = 1 / sigma^2. The forms below are simplified so that they stay finite
 * at SNR 0 (zero terminal SNR) or a very large SNR, whenever the rule itself is finite there.
 */
import { checkChoice, checkInRange, checkNonNegative, checkPositive } from './checks.js';

/**
 * What the network predicts: the noise, the clean image, v = sqrt(abar) epsilon - sqrt(1 - abar) x0, or EDM's F (Karras et
 * al. 2022, arXiv:2206.00364, Eq. 7).
 */
export const weightedPredictions = ['epsilon', 'x0', 'v', 'edm'] as const;
export type WeightedPrediction = (typeof weightedPredictions)[number];

/** A weighting rule; plain data, so that a configuration can hold it. */
export type LossWeighting =
  /** 1 on the network's own target: the plain MSE. */
  | { readonly name: 'constant' }
  /** w_x0 = min(SNR, gamma), gamma = 5. Hang et al. 2023, arXiv:2303.09556. */
  | { readonly name: 'minSnr'; readonly gamma?: number }
  /** w_x0 = 1 / (sigma^2 + sigmaData^2), sigmaData = 0.5. Crowson et al. 2024, arXiv:2401.11605 (soft Min-SNR). */
  | { readonly name: 'softMinSnr'; readonly sigmaData?: number }
  /** w_epsilon = 1 / (k + SNR)^gamma, k = 1, gamma = 1. Choi et al. 2022, arXiv:2204.00227. */
  | { readonly name: 'p2'; readonly k?: number; readonly gamma?: number }
  /**
   * w_x0 = (sigma^2 + sigmaData^2) / (sigma sigmaData)^2, sigmaData = 0.5. Karras et al. 2022, arXiv:2206.00364, Table 1.
   * Infinite for `epsilon` at SNR 0, since pure noise says nothing about the image: refused there.
   */
  | { readonly name: 'edm'; readonly sigmaData?: number }
  /** w_x0 = max(SNR, 1). Salimans & Ho 2022, arXiv:2202.00512. Infinite for `epsilon` at SNR 0: refused there. */
  | { readonly name: 'truncatedSnr' };

export const lossWeightings = ['constant', 'minSnr', 'softMinSnr', 'p2', 'edm', 'truncatedSnr'] as const;

/**
 * SNR_t = abar_t / (1 - abar_t).
 * @throws {RangeError} on abar outside [0, 1)
 */
export function snrFromAlphasCumprod(alphasCumprod: ArrayLike<number>): Float64Array {
  return Float64Array.from(alphasCumprod, (abar, t) => {
    checkInRange(`snr: alphasCumprod[${t}]`, abar, '[0, 1)');
    return abar / (1 - abar);
  });
}

/**
 * SNR = 1 / sigma^2 for noise-to-signal ratios sigma > 0.
 * @throws {RangeError} unless each sigma > 0
 */
export function snrFromSigma(sigma: ArrayLike<number>): Float64Array {
  return Float64Array.from(sigma, (s, i) => {
    checkPositive(`snr: sigma[${i}]`, s);
    return 1 / (s * s);
  });
}

/**
 * The weight of the network's squared error at each noise level: one entry for each entry of `snr` (finite, >= 0).
 * `sigmaData` (0.5 by default) belongs to the prediction `edm`.
 * @throws {RangeError} on an impossible option, on SNR below 0 and if the rule is infinite
 */
export function lossWeights(
  rule: LossWeighting,
  levels: { readonly snr: ArrayLike<number>; readonly prediction: WeightedPrediction; readonly sigmaData?: number },
): Float64Array {
  checkChoice('lossWeights: rule', rule.name, lossWeightings);
  checkChoice('lossWeights: prediction', levels.prediction, weightedPredictions);
  const { prediction, sigmaData = 0.5 } = levels;
  checkPositive('lossWeights: sigmaData', sigmaData);
  const fromX0 = (weight: Weight): Weight => convertWeight(prediction, sigmaData, weight);
  const weight = weightFunction(rule, prediction, fromX0);
  return Float64Array.from(levels.snr, (snr, i) => {
    checkNonNegative(`lossWeights: snr[${i}]`, snr);
    const w = weight(snr);
    if (!Number.isFinite(w)) {
      throw new RangeError(
        `lossWeights: rule "${rule.name}" is infinite for prediction "${levels.prediction}" at SNR ${snr}; predict x0 or v there`,
      );
    }
    return w;
  });
}

type Weight = (snr: number) => number;

function weightFunction(
  rule: LossWeighting,
  prediction: WeightedPrediction,
  fromX0: (weight: Weight) => Weight,
): Weight {
  switch (rule.name) {
    case 'constant':
      return () => 1;
    case 'minSnr': {
      const { gamma = 5 } = rule;
      requirePositive(rule.name, 'gamma', gamma);
      // min(1, gamma / SNR) and not min(SNR, gamma) / SNR: 1 and not 0 / 0 at SNR 0.
      if (prediction === 'epsilon') return (snr) => Math.min(1, gamma / snr);
      return fromX0((snr) => Math.min(snr, gamma));
    }
    case 'softMinSnr': {
      const { sigmaData = 0.5 } = rule;
      requirePositive(rule.name, 'sigmaData', sigmaData);
      const fromEpsilon = (snr: number): number => 1 / (1 + sigmaData ** 2 * snr);
      if (prediction === 'epsilon') return fromEpsilon;
      return fromX0((snr) => snr * fromEpsilon(snr));
    }
    case 'p2': {
      const { k = 1, gamma = 1 } = rule;
      requirePositive(rule.name, 'k', k);
      checkNonNegative('lossWeights "p2": gamma', gamma);
      const onEpsilon = (snr: number): number => (k + snr) ** -gamma;
      if (prediction === 'epsilon') return onEpsilon;
      return fromX0((snr) => snr * onEpsilon(snr));
    }
    case 'edm': {
      const { sigmaData = 0.5 } = rule;
      requirePositive(rule.name, 'sigmaData', sigmaData);
      return fromX0((snr) => snr + 1 / sigmaData ** 2);
    }
    case 'truncatedSnr':
    default:
      return fromX0((snr) => Math.max(snr, 1));
  }
}

/** Converts a weight on the squared error of x0 to one on the prediction's squared error. */
function convertWeight(prediction: WeightedPrediction, sigmaData: number, weight: Weight): Weight {
  switch (prediction) {
    case 'x0':
      return weight;
    case 'v':
      return (snr) => weight(snr) / (snr + 1);
    case 'edm':
      return (snr) => (weight(snr) * sigmaData ** 2) / (1 + sigmaData ** 2 * snr);
    case 'epsilon':
    default:
      return (snr) => weight(snr) / snr;
  }
}

function requirePositive(rule: string, field: string, value: number): void {
  checkPositive(`lossWeights "${rule}": ${field}`, value);
}
