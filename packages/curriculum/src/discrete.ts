import { atFraction, cellOf, type ClosedForm, closedFormQuantile, type ContinuousLevels } from './continuous.js';
import type { Mixture, TimestepSample, ScheduleState, TimestepSchedule } from './schedule.js';

/**
 * Divides by the sum, in place, and returns the same array.
 * @throws {RangeError} if the sum is not a positive finite number
 */
export function normalize(owner: string, masses: Float64Array): Float64Array {
  let sum = 0;
  for (const mass of masses) sum += mass;
  if (!(sum > 0 && Number.isFinite(sum))) {
    throw new RangeError(`${owner}: the density has total mass ${sum} over the timesteps; check its center and width`);
  }
  for (let t = 0; t < masses.length; t++) masses[t]! /= sum;
  return masses;
}

/** @throws {RangeError} if a number is not in [0, 1) */
function checkUniforms(u: ArrayLike<number>): void {
  for (let n = 0; n < u.length; n++) {
    const x = u[n]!;
    if (!(x >= 0 && x < 1)) throw new RangeError(`sample: uniform numbers must be in [0, 1), entry ${n} is ${x}`);
  }
}

/**
 * Inverse-CDF sampling: for each u in [0, 1) the smallest t with P(timestep <= t) > u, and how far u lies within the
 * probability of t, in [0, 1). `density` [T] sums to 1 up to rounding; a u above its sum gives the last timestep that
 * has mass.
 * @throws {RangeError} if the density is not a distribution over the timesteps
 */
function inverseCdf(
  { name, numTimesteps }: Pick<DiscreteSchedule, 'name' | 'numTimesteps'>,
  density: Float64Array,
  u: ArrayLike<number>,
): { readonly timesteps: Int32Array; readonly within: Float64Array } {
  if (density.length !== numTimesteps) {
    throw new RangeError(`${name}: the density has ${density.length} entries for ${numTimesteps} timesteps`);
  }
  const cdf = new Float64Array(density.length);
  let sum = 0;
  let last = 0;
  for (let t = 0; t < density.length; t++) {
    const mass = density[t]!;
    if (!(mass >= 0)) throw new RangeError(`${name}: a density must be at least 0, entry ${t} is ${mass}`);
    if (mass > 0) last = t;
    cdf[t] = sum += mass;
  }
  if (!(Math.abs(sum - 1) < 1e-6)) throw new RangeError(`${name}: the density sums to ${sum}; it must sum to 1`);
  const timesteps = new Int32Array(u.length);
  const within = new Float64Array(u.length);
  for (let n = 0; n < u.length; n++) {
    const x = u[n]!;
    let low = 0;
    let high = last;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cdf[middle]! > x) high = middle;
      else low = middle + 1;
    }
    timesteps[n] = low;
    within[n] = Math.min(1 - 2 ** -53, Math.max(0, (x - (cdf[low]! - density[low]!)) / density[low]!));
  }
  return { timesteps, within };
}

/**
 * Importance weights 1 / (T p_t) of the drawn timesteps [N] → [N], with which the expected loss is the same as with
 * uniform timesteps.
 */
export function importanceWeights(density: Float64Array, timesteps: Int32Array): Float32Array {
  const weights = new Float32Array(timesteps.length);
  for (let n = 0; n < weights.length; n++) weights[n] = 1 / (density.length * density[timesteps[n]!]!);
  return weights;
}

/** The parts from which `discreteSchedule` builds a schedule. */
export interface DiscreteSchedule {
  readonly name: string;
  readonly numTimesteps: number;
  /** Probability of each timestep at an optimizer step: [T], sums to 1. */
  readonly density: TimestepSchedule['density'];
  /** Loss weight of each drawn timestep: [N]. Default: all 1. */
  readonly weights?: (density: Float64Array, timesteps: Int32Array) => Float32Array;
  readonly initialState?: () => ScheduleState;
  readonly update?: TimestepSchedule['update'];
  /** The density as a mixture, if it is one. */
  readonly mixture?: Mixture;
  /** With continuous noise levels: `continuous` of the context. */
  readonly continuous?: ContinuousLevels | undefined;
  /** With continuous noise levels: the exact quantiles, if they do not change. Default: by the density of the cells. */
  readonly closedForm?: ClosedForm;
}

/**
 * Builds a schedule from a density, with inverse-CDF sampling. `sample` takes O(T + N log T): microseconds, negligible
 * compared with a training step.
 * @throws {RangeError} from its methods, if a uniform number is not in [0, 1), or the density is not a distribution over the
 * timesteps
 */
export function discreteSchedule(parts: DiscreteSchedule): TimestepSchedule {
  const { name, numTimesteps, density, weights, initialState, update, mixture, continuous } = parts;
  const weightsOf = (p: Float64Array, timesteps: Int32Array): Float32Array =>
    weights?.(p, timesteps) ?? new Float32Array(timesteps.length).fill(1);
  const more = {
    ...(weights === importanceWeights && { isImportanceCorrected: true }),
    ...(initialState && { initialState }),
    ...(update && { update }),
    ...(mixture && { mixture }),
  };
  if (continuous === undefined) {
    return {
      name,
      numTimesteps,
      density,
      sample(step, u, state): TimestepSample {
        checkUniforms(u);
        const p = density(step, state);
        const { timesteps } = inverseCdf(parts, p, u);
        return { timesteps, weights: weightsOf(p, timesteps) };
      },
      ...more,
    };
  }
  const quantile = (p: Float64Array, u: ArrayLike<number>): Float64Array => {
    checkUniforms(u);
    const { closedForm } = parts;
    if (closedForm) return Float64Array.from(u, (x) => closedFormQuantile(closedForm, continuous, x));
    const { timesteps, within } = inverseCdf(parts, p, u);
    return within.map((part, n) => atFraction(continuous, (timesteps[n]! + part) / numTimesteps));
  };
  return {
    name,
    numTimesteps,
    density,
    quantile: (step, u, state) => quantile(density(step, state), u),
    sample(step, u, state): TimestepSample {
      const p = density(step, state);
      const positions = quantile(p, u);
      const timesteps = Int32Array.from(positions, (x) => cellOf(continuous, numTimesteps, x));
      return { timesteps, weights: weightsOf(p, timesteps), positions };
    },
    ...more,
  };
}

/** The mixture (1 - lambda) / T + lambda g(t): [T], sums to 1. */
export function mixtureDensity(g: Float64Array, lambda: number): Float64Array {
  const floor = (1 - lambda) / g.length;
  return g.map((mass) => floor + lambda * mass);
}

/** A schedule that is a mixture of the uniform density and `mixture.density`. */
export function mixtureSchedule(
  name: string,
  {
    density,
    lambda,
    isImportanceCorrected,
    continuous,
  }: Omit<Mixture, 'weights'> & Pick<DiscreteSchedule, 'continuous'>,
): TimestepSchedule {
  const numTimesteps = density.length;
  return discreteSchedule({
    name,
    numTimesteps,
    density: (step) => mixtureDensity(density, lambda(step)),
    mixture: { density, lambda, isImportanceCorrected, weights: new Float64Array(numTimesteps).fill(1) },
    continuous,
    ...(isImportanceCorrected && { weights: importanceWeights }),
  });
}

/** A schedule whose density [T] is the same at every step. */
export function staticSchedule(
  name: string,
  density: Float64Array,
  more: Pick<DiscreteSchedule, 'weights' | 'continuous' | 'closedForm'> = {},
): TimestepSchedule {
  const { weights } = more;
  const numTimesteps = density.length;
  const isImportanceCorrected = weights === importanceWeights;
  const each = Int32Array.from({ length: numTimesteps }, (_, t) => t);
  const constants = isImportanceCorrected ? undefined : weights?.(density, each);
  return discreteSchedule({
    name,
    numTimesteps,
    density: () => density.slice(),
    mixture: {
      density,
      lambda: () => 1,
      isImportanceCorrected,
      weights: constants === undefined ? new Float64Array(numTimesteps).fill(1) : Float64Array.from(constants),
    },
    ...more,
  });
}
