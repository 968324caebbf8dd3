/**
 * Loss weights as a function of the noise level, on plain arrays.
 *
 * Every rule except `constant` is a weight w_x0(SNR) on the squared error of x0, converted to what the network
 * predicts. For a variance-preserving process |x0 error|^2 = |epsilon error|^2 / SNR = |v error|^2 / (SNR + 1), so
 *
 *   w_epsilon = w_x0 / SNR,    w_v = w_x0 / (SNR + 1) = w_epsilon SNR / (SNR + 1),
 *   w_F = w_x0 sd^2 / (1 + sd^2 SNR)    for EDM's F
 *   w_flow = w_x0 / (1 + sqrt(SNR))^2   for the velocity epsilon - x0 of rectified flow
 *
 * (EDM: D = c_skip x + c_out F with c_out^2 = sigma^2 sd^2 / (sigma^2 + sd^2)). sigma is the noise-to-signal ratio, SNR
 * = 1 / sigma^2, and sd is sigmaData. The formulas are simplified so that they are finite at SNR 0 (zero terminal SNR)
 * and at very large SNR if the rule itself is.
 */
import { checkChoice, checkInRange, checkNonNegative, checkPositive } from './checks.js';

/**
 * What the network predicts: the noise, the clean image, v = sqrt(abar) epsilon - sqrt(1 - abar) x0 (for
 * variance-preserving processes), the velocity epsilon - x0 of rectified flow, or EDM's F (Karras et al. 2022,
 * arXiv:2206.00364, Eq. 7).
 */
export const weightedPredictions = ['epsilon', 'x0', 'v', 'flow', 'edm'] as const;
export type WeightedPrediction = (typeof weightedPredictions)[number];

/** A loss weighting, as plain data that can be stored in a configuration. */
export type LossWeighting =
  /** 1 on the network's target: plain MSE. */
  | { readonly name: 'constant' }
  /**
   * w_x0 = min(SNR, gamma), default gamma 5. Min-SNR-gamma, Hang et al. 2023, arXiv:2303.09556. At SNR 0 the closed form
   * is 0 for x0 and v; `zeroSnrWeight` replaces it for every prediction, by 1 as in the authors' code,
   * https://github.com/TiankaiHang/Min-SNR-Diffusion-Training.
   */
  | { readonly name: 'minSnr'; readonly gamma?: number; readonly zeroSnrWeight?: number }
  /** w_x0 = 1 / (sigma^2 + sigmaData^2), default sigmaData 0.5. Soft Min-SNR, Crowson et al. 2024, arXiv:2401.11605. */
  | { readonly name: 'softMinSnr'; readonly sigmaData?: number }
  /** w_epsilon = 1 / (k + SNR)^gamma, default k 1, gamma 1. P2, Choi et al. 2022, arXiv:2204.00227. */
  | { readonly name: 'p2'; readonly k?: number; readonly gamma?: number }
  /**
   * w_x0 = (sigma^2 + sigmaData^2) / (sigma sigmaData)^2, default sigmaData 0.5. Table 1 of Karras et al. 2022,
   * arXiv:2206.00364. Infinite, hence an error, for `epsilon` at SNR 0.
   */
  | { readonly name: 'edm'; readonly sigmaData?: number }
  /**
   * w_x0 = max(SNR, 1). Salimans & Ho 2022, arXiv:2202.00512. Infinite, hence an error, for `epsilon` at SNR 0.
   */
  | { readonly name: 'truncatedSnr' };

/** The names of the loss weightings. */
export const lossWeightings = ['constant', 'minSnr', 'softMinSnr', 'p2', 'edm', 'truncatedSnr'] as const;

/**
 * SNR_t = abar_t / (1 - abar_t): [T] → [T].
 * @throws {RangeError} if an abar_t is not in [0, 1)
 */
export function snrFromAlphasCumprod(alphasCumprod: ArrayLike<number>): Float64Array {
  return Float64Array.from(alphasCumprod, (abar, t) => {
    checkInRange(`snr: alphasCumprod[${t}]`, abar, '[0, 1)');
    return abar / (1 - abar);
  });
}

/**
 * SNR = 1 / sigma^2 of noise-to-signal ratios sigma: [N] → [N].
 * @throws {RangeError} if a sigma is not > 0
 */
export function snrFromSigma(sigma: ArrayLike<number>): Float64Array {
  return Float64Array.from(sigma, (s, i) => {
    checkPositive(`snr: sigma[${i}]`, s);
    return 1 / (s * s);
  });
}

/**
 * The weight on the network's squared error at each noise level: `snr` [N], each finite and >= 0, → [N]. `sigmaData` is
 * used by the prediction `edm`; default 0.5. The one of a rule is separate: for EDM's weights of 1 on F, both must be equal.
 * @throws {RangeError} if an option is out of range, an SNR is not >= 0, or a weight is infinite
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
        `lossWeights: rule "${rule.name}" is infinite for prediction "${levels.prediction}" at SNR ${snr}; use the prediction x0 or v`,
      );
    }
    return w;
  });
}

/**
 * The factor 1 / sum_t p_t w_t that scales loss weights w [T] to mean 1 under the sampling density p [T]. Without `density`,
 * p is uniform, as with importance weights 1 / (T p_t). 1 if the mean is 0, and exactly 1 if all weights are 1.
 */
export function lossWeightScale(weights: ArrayLike<number>, density?: ArrayLike<number>): number {
  let [mean, mass, isOne] = [0, 0, true];
  for (let t = 0; t < weights.length; t++) {
    const p = density === undefined ? 1 : density[t]!;
    isOne &&= weights[t] === 1;
    mean += p * weights[t]!;
    mass += p;
  }
  return isOne || mean === 0 ? 1 : mass / mean;
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
      const { gamma = 5, zeroSnrWeight } = rule;
      requirePositive(rule.name, 'gamma', gamma);
      // Not min(SNR, gamma) / SNR, which is 0 / 0 at SNR 0.
      const closed: Weight =
        prediction === 'epsilon' ? (snr) => Math.min(1, gamma / snr) : fromX0((snr) => Math.min(snr, gamma));
      if (zeroSnrWeight === undefined) return closed;
      checkNonNegative('lossWeights "minSnr": zeroSnrWeight', zeroSnrWeight);
      return (snr) => (snr === 0 ? zeroSnrWeight : closed(snr));
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

/** Converts a weight on the squared error of x0 to a weight on the squared error of the prediction. */
export function convertWeight(prediction: WeightedPrediction, sigmaData: number, weight: Weight): Weight {
  switch (prediction) {
    case 'x0':
      return weight;
    case 'v':
      return (snr) => weight(snr) / (snr + 1);
    case 'flow':
      return (snr) => weight(snr) / (1 + Math.sqrt(snr)) ** 2;
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
