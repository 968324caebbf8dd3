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

/**
 * Inverse-CDF sampling: for each u in [0, 1) the smallest t with P(timestep <= t) > u. `density` [T] sums to 1 up to
 * rounding; a u above its sum gives the last timestep that has mass.
 * @throws {RangeError} if a u is not in [0, 1)
 */
function inverseCdf(density: Float64Array, u: ArrayLike<number>): Int32Array {
  const cdf = new Float64Array(density.length);
  let sum = 0;
  let last = 0;
  for (let t = 0; t < density.length; t++) {
    if (density[t]! > 0) last = t;
    cdf[t] = sum += density[t]!;
  }
  const timesteps = new Int32Array(u.length);
  for (let n = 0; n < u.length; n++) {
    const x = u[n]!;
    if (!(x >= 0 && x < 1)) throw new RangeError(`sample: uniform numbers must be in [0, 1), entry ${n} is ${x}`);
    let low = 0;
    let high = last;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cdf[middle]! > x) high = middle;
      else low = middle + 1;
    }
    timesteps[n] = low;
  }
  return timesteps;
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
}

/**
 * Builds a schedule from a density, with inverse-CDF sampling. `sample` takes O(T + N log T): microseconds, negligible
 * compared with a training step.
 */
export function discreteSchedule(parts: DiscreteSchedule): TimestepSchedule {
  const { name, numTimesteps, density, weights, initialState, update, mixture } = parts;
  return {
    name,
    numTimesteps,
    density,
    sample(step, u, state): TimestepSample {
      const p = density(step, state);
      const timesteps = inverseCdf(p, u);
      return { timesteps, weights: weights?.(p, timesteps) ?? new Float32Array(timesteps.length).fill(1) };
    },
    ...(initialState && { initialState }),
    ...(update && { update }),
    ...(mixture && { mixture }),
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
  { density, lambda, isImportanceCorrected }: Omit<Mixture, 'weights'>,
): TimestepSchedule {
  const numTimesteps = density.length;
  return discreteSchedule({
    name,
    numTimesteps,
    density: (step) => mixtureDensity(density, lambda(step)),
    mixture: { density, lambda, isImportanceCorrected, weights: new Float64Array(numTimesteps).fill(1) },
    ...(isImportanceCorrected && { weights: importanceWeights }),
  });
}

/** A schedule whose density [T] is the same at every step. */
export function staticSchedule(
  name: string,
  density: Float64Array,
  weights?: DiscreteSchedule['weights'],
): TimestepSchedule {
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
    ...(weights && { weights }),
  });
}
