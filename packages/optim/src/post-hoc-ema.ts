/**
 * Post-hoc EMA, Section 3.2 of Karras et al. 2024, arXiv:2312.02696 (EDM2): an average of any width, after training, as a
 * linear combination of stored snapshots of a few power-function averages (`karrasEma`).
 *
 * A power-function average at time t_a weights the parameters of time t by the profile
 *
 *   p_a(t) = (gamma_a + 1) / t_a (t / t_a)^gamma_a    for 0 <= t <= t_a, else 0        Eq. 121
 *
 * The combination sum_i x_i p_i whose profile is nearest to the wanted p in least squares solves A x = b with the inner
 * products A_ij = <p_i, p_j> and b_i = <p_i, p> (Eq. 151, Algorithm 3). The x_i are then scaled to sum to 1.
 */
import { Matrix, solve } from 'ml-matrix';
import { checkPositive } from '@dm/ops';
import { powerFunctionExponent } from './ema.js';

/** A power-function average at one time of training. */
export interface EmaProfile {
  /** Optimizer steps, or images, trained until then, > 0; all profiles in the same unit. */
  readonly time: number;
  /** Width relative to that time, in (0, 0.28], as of `karrasEma`. */
  readonly relativeStd: number;
}

export interface PostHocCoefficients {
  /** Coefficient of each snapshot, [N]; they sum to 1, and some are negative. */
  readonly coefficients: Float64Array;
  /**
   * Distance between the profile of the combination and the wanted one, relative to the norm of the latter: 0 if it is
   * exact, 1 or more if the snapshots say nothing about it.
   */
  readonly profileError: number;
}

/**
 * The coefficients with which the parameters of `snapshots` [N] sum to the average `wanted`, as
 * `solve_posthoc_coefficients` of https://github.com/NVlabs/edm2 computes them.
 * @throws {RangeError} if `snapshots` is empty, a time is not > 0, a relativeStd is not in (0, 0.28], two snapshots are the
 * same, or all are too far from the wanted profile for float64
 */
export function postHocEmaCoefficients(snapshots: readonly EmaProfile[], wanted: EmaProfile): PostHocCoefficients {
  if (snapshots.length === 0) throw new RangeError('postHocEmaCoefficients: there must be at least 1 snapshot, got 0');
  const profiles = snapshots.map(resolved);
  const [target] = [wanted].map(resolved);
  const names = profiles.map(({ time, gamma }) => `${time} ${gamma}`);
  const repeated = names.findIndex((name, i) => names.indexOf(name) < i);
  if (repeated !== -1) {
    throw new RangeError(
      `postHocEmaCoefficients: snapshots must differ in time or width, got time ${snapshots[repeated]!.time} and ` +
        `relativeStd ${snapshots[repeated]!.relativeStd} twice`,
    );
  }
  const products = new Matrix(profiles.map((a) => profiles.map((b) => innerProduct(a, b))));
  const ofTarget = Matrix.columnVector(profiles.map((a) => innerProduct(a, target!)));
  const solution = solve(products, ofTarget).to1DArray();
  const sum = solution.reduce((total, x) => total + x, 0);
  if (!(sum !== 0 && Number.isFinite(sum))) {
    throw new RangeError(
      `postHocEmaCoefficients: no snapshot overlaps with the profile of time ${wanted.time} and relativeStd ` +
        `${wanted.relativeStd}; their times are ${snapshots.map(({ time }) => time).join(', ')}`,
    );
  }
  const coefficients = Float64Array.from(solution, (x) => x / sum);
  const x = Matrix.columnVector([...coefficients]);
  const norm = innerProduct(target!, target!);
  const squared = norm - 2 * x.dot(ofTarget) + x.dot(products.mmul(x));
  return { coefficients, profileError: Math.sqrt(Math.max(0, squared) / norm) };
}

interface ResolvedProfile {
  readonly time: number;
  readonly gamma: number;
}

function resolved({ time, relativeStd }: EmaProfile): ResolvedProfile {
  checkPositive('postHocEmaCoefficients: time', time);
  return { time, gamma: powerFunctionExponent('postHocEmaCoefficients', relativeStd) };
}

/** The integral of the product of two profiles. */
function innerProduct(a: ResolvedProfile, b: ResolvedProfile): number {
  const [early, late] = a.time < b.time ? [a, b] : [b, a];
  const scale = ((a.gamma + 1) * (b.gamma + 1)) / ((a.gamma + b.gamma + 1) * late.time);
  return scale * (early.time / late.time) ** late.gamma;
}
