import { checkInRange, checkInteger } from '@dm/ops';
import { normals } from '../random.js';
import { hessianVectorProduct, type HessianVectorProduct } from './hessian-vector-product.js';
import { lanczos, type LanczosRun } from './lanczos.js';
import { addScaled, norm, type FlatVector, type Objective } from './objective.js';

export interface SpectrumOptions {
  /** Number of largest and of smallest eigenvalues to return. Default 5. */
  readonly top?: number;
  /** Number of random start vectors; the density is averaged over them. Default 1. */
  readonly probes?: number;
  /** Lanczos steps per start vector. Default 40. */
  readonly steps?: number;
  /** Standard deviation of the Gaussian kernel of the density, as a fraction of the spectrum's width. Default 0.01. */
  readonly width?: number;
  /** Seed of the start vectors. Default 0. */
  readonly seed?: number;
  readonly onProgress?: (done: number, of: number) => void;
}

export interface Eigenvalue {
  readonly value: number;
  /** |H y - value y| of the Ritz vector y, as Lanczos estimates it: an eigenvalue of H is within this distance. */
  readonly residual: number;
}

export interface SpectralDensity {
  readonly at: Float64Array;
  /** Density per unit of eigenvalue; integrates to 1 over `at`. */
  readonly density: Float64Array;
  /** Standard deviation of the Gaussian kernel, in units of eigenvalues. */
  readonly sigma: number;
}

export interface HessianSpectrum {
  /** Descending. */
  readonly largest: readonly Eigenvalue[];
  /** Ascending. */
  readonly smallest: readonly Eigenvalue[];
  /**
   * The unit Ritz vector [P] of `largest[k]`, an approximate eigenvector; its sign is arbitrary.
   * @throws {RangeError} if k is not an index of `largest`
   */
  eigenvector(k: number): Float64Array;
  readonly density: SpectralDensity;
  /** Hutchinson's estimate of the trace: mean over the probes, and its standard error if there are several. */
  readonly trace: { readonly value: number; readonly standardError: number | null };
  /** Error estimates of the Hessian-vector products. */
  readonly error: Pick<HessianVectorProduct, 'step' | 'stepError' | 'asymmetry'> & {
    /** |H y - value y| / |value| of the largest eigenvalue, with the product recomputed at half the step. */
    readonly largest: number;
  };
  readonly gradients: number;
}

/**
 * Extreme eigenvalues and spectral density of the Hessian, by stochastic Lanczos quadrature (Ubaru, Chen and Saad 2017,
 * doi:10.1137/16M1104974; for networks: Ghorbani et al. 2019, arXiv:1901.10159). The eigenvalues come from the first
 * probe.
 * @throws {RangeError} if a count is below 1, or width is outside (0, 1]
 * @throws {EvalError} if gradients are not finite
 */
export async function hessianSpectrum(
  objective: Objective,
  params: FlatVector,
  options: SpectrumOptions = {},
): Promise<HessianSpectrum> {
  const { top = 5, probes = 1, steps = 40, width = 0.01, seed = 0, onProgress } = options;
  for (const [name, value] of Object.entries({ top, probes, steps })) {
    checkInteger(`hessianSpectrum: ${name}`, value, 1);
  }
  let gradients = 0;
  const counted: Objective = {
    ...objective,
    size: objective.size,
    loss: (p) => objective.loss(p),
    gradient: (p) => {
      gradients++;
      return objective.gradient(p);
    },
  };
  const product = await hessianVectorProduct(counted, params, { seed });
  const runs: LanczosRun[] = [];
  const each = Math.min(steps, objective.size);
  for (let probe = 0; probe < probes; probe++) {
    const start = normals('lanczos', seed, probe, objective.size);
    const progress = (done: number) => onProgress?.(probe * each + done, probes * each);
    runs.push(await lanczos((v) => product.apply(v), start, { steps: each, onProgress: progress }));
  }
  const [first] = runs;
  const count = Math.min(top, first!.values.length);
  const pairs = Array.from(first!.values, (value, k): Eigenvalue => ({ value, residual: first!.residuals[k]! }));

  const y = first!.vector(0);
  const largest = pairs[0]!.value;
  const apart = norm(addScaled(await product.apply(y, product.step / 2), [y], [-largest]));

  const traces = runs.map((run) => objective.size * run.values.reduce((sum, v, k) => sum + v * run.weights[k]!, 0));
  const mean = traces.reduce((sum, value) => sum + value, 0) / probes;
  const variance = traces.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, probes - 1);
  return {
    largest: pairs.slice(0, count),
    smallest: pairs.slice(-count).toReversed(),
    eigenvector(k) {
      checkInteger('hessianSpectrum: index of the eigenvector', k, 0, count - 1);
      return first!.vector(k);
    },
    density: spectralDensity(runs, width),
    trace: { value: mean, standardError: probes > 1 ? Math.sqrt(variance / probes) : null },
    error: {
      step: product.step,
      stepError: product.stepError,
      asymmetry: product.asymmetry,
      largest: apart === 0 ? 0 : apart / Math.abs(largest),
    },
    gradients,
  };
}

/**
 * phi(t) = mean over the runs of sum_k weight_k N(t; value_k, sigma^2), on a grid that extends 6 sigma beyond the
 * outermost values with 8 points per sigma. `width` is sigma as a fraction of the distance between these values.
 * @throws {RangeError} if width is outside (0, 1]
 */
export function spectralDensity(
  runs: readonly Pick<LanczosRun, 'values' | 'weights'>[],
  width = 0.01,
): SpectralDensity {
  checkInRange('spectralDensity: width', width, '(0, 1]');
  const all = runs.flatMap(({ values }) => [...values]);
  let [low, high] = [Infinity, -Infinity];
  for (const value of all) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const sigma = width * (high > low ? high - low : Math.max(Math.abs(high), 1));
  const points = Math.round((8 * (high - low + 12 * sigma)) / sigma) + 1;
  const at = Float64Array.from(
    { length: points },
    (_, i) => low - 6 * sigma + (i * (high - low + 12 * sigma)) / (points - 1),
  );
  const density = new Float64Array(points);
  for (const { values, weights } of runs) {
    values.forEach((value, k) => {
      const height = weights[k]! / (runs.length * sigma * Math.sqrt(2 * Math.PI));
      for (let i = 0; i < points; i++) density[i]! += height * Math.exp(-0.5 * ((at[i]! - value) / sigma) ** 2);
    });
  }
  return { at, density, sigma };
}
