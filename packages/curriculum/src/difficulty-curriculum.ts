import { requireContext, type ScheduleContext } from './context.js';
import { discreteSchedule } from './discrete.js';
import { checkInRange, checkInteger, checkNumber, resolveOptions } from './checks.js';
import type { ScheduleState, TimestepSchedule } from './schedule.js';

export interface DifficultyCurriculumOptions {
  /** N, the number of equal intervals of t, in [1, T]. Default 20. */
  readonly clusters: number;
  /** Consecutive updates without a lower loss after which the next cluster is added, >= 1. Default 200. */
  readonly patience: number;
  /** Decay of the running loss that is compared, in [0, 1). Default 0: compares the batch losses. */
  readonly smoothing: number;
}

export const difficultyCurriculumDefaults: DifficultyCurriculumOptions = { clusters: 20, patience: 200, smoothing: 0 };

interface CurriculumState extends ScheduleState {
  /** Number of clusters in use, in [1, N]; the noisiest come first. */
  readonly stage: Int32Array;
  /** Updates since the loss last decreased. */
  readonly stale: Int32Array;
  /** [running loss, lowest running loss of this stage]; Infinity before the first update of a stage. */
  readonly loss: Float64Array;
}

function initialState(): CurriculumState {
  return { stage: Int32Array.of(1), stale: Int32Array.of(0), loss: Float64Array.of(Infinity, Infinity) };
}

/**
 * A curriculum from easy to hard timesteps: [0, T) is divided into N equal clusters; stage n trains uniformly on the n
 * noisiest, and stage n + 1 starts when the loss has not decreased for `patience` updates. Stage N is uniform training.
 * Kim et al. 2025, arXiv:2403.10348. Call `update` once per optimizer step with the losses of the whole batch; it
 * compares their mean.
 *
 * Unlike CLTS, which starts with all timesteps and draws the easier ones less often, this curriculum ADDS harder
 * timesteps.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function difficultyCurriculum(
  context: ScheduleContext,
  options?: Partial<DifficultyCurriculumOptions>,
): TimestepSchedule {
  const name = 'difficultyCurriculum';
  requireContext(name, context);
  const { numTimesteps: T } = context;
  const { clusters, patience, smoothing } = resolveOptions(name, difficultyCurriculumDefaults, options);
  checkInteger(`${name}: clusters`, clusters, 1);
  checkNumber(`${name}: clusters`, clusters, `at most T = ${T}`, (v) => v <= T);
  checkInteger(`${name}: patience`, patience, 1);
  checkInRange(`${name}: smoothing`, smoothing, '[0, 1)');

  const read = (
    state: ScheduleState = initialState(),
  ): { stage: number; stale: number; running: number; best: number } => {
    const [stage] = state.stage ?? [];
    const [stale] = state.stale ?? [];
    const [running, best] = state.loss ?? [];
    if (stage === undefined || stale === undefined || running === undefined || best === undefined) {
      throw new RangeError(`${name}: the state must have the arrays stage [1], stale [1], and loss [2]`);
    }
    checkNumber(`${name}: state.stage`, stage, `in [1, ${clusters}]`, (v) => v >= 1 && v <= clusters);
    return { stage, stale, running, best };
  };

  return discreteSchedule({
    name,
    numTimesteps: T,
    continuous: context.continuous,
    initialState,
    density(_step, state) {
      const first = Math.round((T * (clusters - read(state).stage)) / clusters);
      return new Float64Array(T).fill(1 / (T - first), first);
    },
    update(state, _timesteps, losses): CurriculumState {
      if (losses.length === 0) throw new RangeError(`${name}: update got an empty array of losses`);
      let sum = 0;
      for (let n = 0; n < losses.length; n++) sum += losses[n]!;
      const batch = sum / losses.length;
      checkNumber(`${name}: mean loss`, batch);

      const { stage, stale, running: before, best } = read(state);
      const running = before === Infinity ? batch : smoothing * before + (1 - smoothing) * batch;
      const staleNow = running < best ? 0 : stale + 1;
      if (staleNow >= patience && stage < clusters) {
        return { ...initialState(), stage: Int32Array.of(stage + 1) };
      }
      return {
        stage: Int32Array.of(stage),
        stale: Int32Array.of(Math.min(staleNow, patience)),
        loss: Float64Array.of(running, Math.min(best, running)),
      };
    },
  });
}
