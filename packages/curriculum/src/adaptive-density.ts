/** Densities that follow running means of the losses, for schedules that adapt to them. */
import { checkInRange, checkInteger, checkNumber } from './checks.js';
import type { ScheduleContext } from './context.js';
import { discreteSchedule, mixtureDensity, normalize } from './discrete.js';
import type { ScheduleState, TimestepSchedule } from './schedule.js';

/** Options of schedules that follow running means of the losses. */
export interface AdaptiveOptions {
  /** Number of equal intervals of t that have a running mean each, >= 1; at most T are used. Default 50. */
  readonly bins: number;
  /** Decay of the running means per observed loss, in [0, 1): 0.99 averages over about 100 losses. Default 0.99. */
  readonly decay: number;
  /** Share of the density that stays uniform, in (0, 1]. Default 0.1. */
  readonly uniformShare: number;
}

export const adaptiveDefaults: AdaptiveOptions = { bins: 50, decay: 0.99, uniformShare: 0.1 };

interface AdaptiveState extends ScheduleState {
  /** Decayed sum of the values of each interval: [bins]. */
  readonly sum: Float64Array;
  /** Decayed number of values, with which `sum` becomes a mean: [bins]; 0 before the first one. */
  readonly weight: Float64Array;
}

/** How a schedule computes its density from losses. */
export interface AdaptiveParts extends AdaptiveOptions {
  readonly name: string;
  /** The value of a loss at timestep t that is averaged. */
  readonly value: (loss: number, t: number) => number;
  /** The mass of timestep t before normalization, given the mean of its interval; >= 0. */
  readonly mass: (mean: number, t: number, bin: number) => number;
}

/**
 * A schedule with p_t = uniformShare / T + (1 - uniformShare) q_t, q_t ∝ mass(mean of the interval of t). It is uniform
 * until every interval has been observed, and if all masses are 0.
 * @throws {RangeError} if an option is out of range
 */
export function adaptiveSchedule(
  { numTimesteps: T, continuous }: ScheduleContext,
  { name, bins: given, decay, uniformShare, value, mass }: AdaptiveParts,
): TimestepSchedule {
  checkInteger(`${name}: bins`, given, 1);
  checkInRange(`${name}: decay`, decay, '[0, 1)');
  checkInRange(`${name}: uniformShare`, uniformShare, '(0, 1]');
  const bins = Math.min(given, T);
  const binOf = (t: number): number => Math.floor((t * bins) / T);
  const initialState = (): AdaptiveState => ({ sum: new Float64Array(bins), weight: new Float64Array(bins) });
  const read = (state: ScheduleState = initialState()): AdaptiveState => {
    const { sum, weight } = state;
    if (sum?.length !== bins || weight?.length !== bins) {
      throw new RangeError(`${name}: the state must have the arrays sum and weight of ${bins} numbers`);
    }
    return { sum: Float64Array.from(sum), weight: Float64Array.from(weight) };
  };
  return discreteSchedule({
    name,
    numTimesteps: T,
    continuous,
    initialState,
    density(_step, state) {
      const { sum, weight } = read(state);
      const masses = Float64Array.from({ length: T }, (_, t) => mass(sum[binOf(t)]! / weight[binOf(t)]!, t, binOf(t)));
      const isKnown = weight.every((n) => n > 0) && masses.some((m) => m > 0);
      return mixtureDensity(isKnown ? normalize(name, masses) : masses.fill(0), isKnown ? 1 - uniformShare : 0);
    },
    update(state, timesteps, losses): AdaptiveState {
      const { sum, weight } = read(state);
      for (let n = 0; n < losses.length; n++) {
        const t = timesteps[n]!;
        const observed = value(losses[n]!, t);
        checkNumber(`${name}: loss ${n} at timestep ${t}`, observed);
        const bin = binOf(t);
        sum[bin] = decay * sum[bin]! + (1 - decay) * observed;
        weight[bin] = decay * weight[bin]! + (1 - decay);
      }
      return { sum, weight };
    },
  });
}
