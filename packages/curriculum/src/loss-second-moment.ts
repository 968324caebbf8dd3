import { requireContext, type ScheduleContext } from './context.js';
import { discreteSchedule, importanceWeights, normalize } from './discrete.js';
import { checkInRange, checkInteger, checkNumber, resolveOptions } from './checks.js';
import type { ScheduleState, TimestepSchedule } from './schedule.js';

export interface LossSecondMomentOptions {
  /** Number of past losses stored per timestep, from 1 to 10^7 / T. Default 10. */
  readonly historyPerTimestep: number;
  /** Weight of the uniform density in the mixture, in (0, 1]. Default 0.001. */
  readonly uniformShare: number;
}

/** Largest number of losses stored for all timesteps together: 80 MB. */
const largestHistory = 1e7;

export const lossSecondMomentDefaults: LossSecondMomentOptions = { historyPerTimestep: 10, uniformShare: 0.001 };

/**
 * Loss-aware importance sampling: p_t ∝ sqrt(mean of the last 10 squared losses at t), mixed with the uniform density
 * at weight 0.001, and losses weighted by 1 / (T p_t). Uniform until every timestep has 10 losses. Eq. 18 of Nichol &
 * Dhariwal 2021, arXiv:2102.09672, as `LossSecondMomentResampler` of https://github.com/openai/guided-diffusion.
 * `update` takes the unweighted losses.
 *
 * State: `losses` [T * historyPerTimestep], oldest first within each timestep, and `counts` [T].
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function lossSecondMoment(
  context: ScheduleContext,
  options?: Partial<LossSecondMomentOptions>,
): TimestepSchedule {
  const name = 'lossSecondMoment';
  requireContext(name, context);
  const { numTimesteps: T } = context;
  const { historyPerTimestep: H, uniformShare } = resolveOptions(name, lossSecondMomentDefaults, options);
  const most = Math.max(1, Math.floor(largestHistory / T));
  checkInteger(`${name}: historyPerTimestep`, H, 1);
  checkNumber(`${name}: historyPerTimestep`, H, `at most ${most} for T = ${T}`, (v) => v <= most);
  checkInRange(`${name}: uniformShare`, uniformShare, '(0, 1]');

  const initialState = (): { losses: Float64Array; counts: Int32Array } => ({
    losses: new Float64Array(T * H),
    counts: new Int32Array(T),
  });
  const read = (state: ScheduleState | undefined): { losses: Float64Array; counts: Int32Array } => {
    if (state === undefined) return initialState();
    const { losses, counts } = state;
    if (!(losses instanceof Float64Array && losses.length === T * H)) {
      throw new RangeError(`${name}: state.losses must be a Float64Array of ${T * H} entries (T * historyPerTimestep)`);
    }
    if (!(counts instanceof Int32Array && counts.length === T)) {
      throw new RangeError(`${name}: state.counts must be an Int32Array of ${T} entries (T)`);
    }
    return { losses, counts };
  };

  return discreteSchedule({
    name,
    numTimesteps: T,
    weights: importanceWeights,
    continuous: context.continuous,
    initialState,
    density(_step, state) {
      const { losses, counts } = read(state);
      if (counts.some((count) => count < H)) return new Float64Array(T).fill(1 / T);
      const root = Float64Array.from({ length: T }, (_, t) => {
        let sum = 0;
        for (let i = t * H; i < (t + 1) * H; i++) sum += losses[i]! ** 2;
        return Math.sqrt(sum / H);
      });
      // All losses are zero.
      if (root.every((value) => value === 0)) return root.fill(1 / T);
      return normalize(name, root).map((p) => p * (1 - uniformShare) + uniformShare / T);
    },
    update(state, timesteps, newLosses) {
      const old = read(state);
      const losses = old.losses.slice();
      const counts = old.counts.slice();
      for (let n = 0; n < timesteps.length; n++) {
        const t = timesteps[n]!;
        const loss = newLosses[n]!;
        checkNumber(`${name}: losses[${n}]`, loss);
        if (counts[t]! < H) {
          losses[t * H + counts[t]!] = loss;
          counts[t]! += 1;
        } else {
          losses.copyWithin(t * H, t * H + 1, (t + 1) * H);
          losses[(t + 1) * H - 1] = loss;
        }
      }
      return { losses, counts };
    },
  });
}
