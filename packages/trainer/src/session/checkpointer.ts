/** The checkpoints of a run: created according to its policy, written while training continues. */
import { existsSync } from 'node:fs';
import type { ScheduleState } from '@dm/curriculum';
import type { Engine, StateHandle } from '@dm/ops';
import { createAsyncCheckpointer, type AsyncCheckpointer } from '../checkpoint/async-checkpointer.js';
import type { Best } from '../checkpoint/best.js';
import { pruneCheckpoints, setDamagedAside } from '../checkpoint/checkpoint-folder.js';
import { isDamage } from '../checkpoint/damage.js';
import { verifyCheckpoint } from '../checkpoint/checkpoint.js';
import type { ManifestFields } from '../checkpoint/manifest-format.js';
import { shouldSave, type CheckpointPolicy } from '../checkpoint/policy.js';
import { trainingHash } from '../config/saved-config.js';
import { packState } from '../checkpoint/pack-state.js';
import type { RunFolder } from '../run/run-folder.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import type { TrainHooks } from './hooks.js';

interface SavedStep {
  readonly path: string;
  readonly step: number;
  /** Whether updates were not being skipped at that step. */
  readonly isGood: boolean;
}

export interface CheckpointerOptions {
  readonly run: RunFolder;
  readonly setup: TrainingSetup;
  readonly engine: Engine;
  readonly policy: CheckpointPolicy;
  readonly dataSha256: string;
  /** The checkpoint from which the session resumed, if it did. */
  readonly resumedFrom: SavedStep | undefined;
  /** Files that are synced before a checkpoint, so that no checkpoint is ahead of the log. */
  readonly logFiles: readonly string[];
  readonly hooks: TrainHooks;
  /** Called when the checkpoint of a step was saved, or could not be. */
  readonly onSettled: (step: number, isSaved: boolean) => void;
  /** Called if the log could not be synced before a checkpoint. */
  readonly onLogFailed: (error: Error) => void;
}

/** The state of a run between two steps. */
export interface RunSnapshot {
  /** Optimizer steps done. */
  readonly step: number;
  /** Copied when it is saved. */
  readonly state: StateHandle;
  readonly curriculumState: ScheduleState | undefined;
  /** Sums for the next log line. */
  readonly log: ManifestFields['log'];
  /** The best of all evaluations so far. */
  readonly best: Best | undefined;
  /** Whether the last update was skipped, possibly because of bad weights. */
  readonly isSkipping: boolean;
}

export class Checkpointer {
  /** Path of the newest checkpoint. */
  newest: string | undefined;
  /** Path of the newest checkpoint that was created while updates were not being skipped. */
  private lastGood: string | undefined;
  private readonly writer: AsyncCheckpointer;
  /** The newest step that was passed to the writer. */
  private latest: Omit<SavedStep, 'path'> | undefined;
  /** The newest step whose checkpoint was read back. */
  private verifiedStep: number | undefined;
  /** The time of the last save by `performance.now()`. */
  private savedAt = performance.now();

  constructor(private readonly options: CheckpointerOptions) {
    const { resumedFrom, hooks } = options;
    this.newest = resumedFrom?.path;
    this.lastGood = resumedFrom?.isGood === true ? resumedFrom.path : undefined;
    this.latest = resumedFrom;
    this.verifiedStep = resumedFrom?.step;
    this.writer = createAsyncCheckpointer({
      onSaved: (checkpoint, notes) => {
        for (const text of notes) hooks.onNote?.(text);
        this.newest = checkpoint.path;
        if (this.latest!.isGood) this.lastGood = checkpoint.path;
        options.onSettled(checkpoint.step, true);
        hooks.onCheckpoint?.(checkpoint);
      },
      onLogFailed: (error) => options.onLogFailed(error),
      onFailed: (error, step) => {
        options.onSettled(step, false);
        hooks.onNote?.(
          `step ${step} could not be saved; training continues until the next checkpoint is due: ${error.message}`,
        );
      },
    });
  }

  /** Whether the policy wants a save now. */
  isDue({ step, best, isSkipping }: RunSnapshot): boolean {
    const minutesSinceSave = (performance.now() - this.savedAt) / 60_000;
    return shouldSave(this.options.policy.save, { step, minutesSinceSave, isBest: best?.step === step, isSkipping });
  }

  /**
   * Saves, unless this step is already saved. The state is copied here; writing it overlaps with the next
   * `checkpoints.overlap` steps. A failed save is reported and training continues, since a later one may succeed; `finish`
   * throws the error of the last save.
   */
  async save({ step, state, curriculumState, log, best, isSkipping }: RunSnapshot): Promise<void> {
    const { writer } = this;
    const { run, setup, engine, policy, dataSha256, logFiles } = this.options;
    if (this.latest?.step === step) return;
    await writer.drain(); // before another copy of the state is made
    const arrays = await state.read(undefined, writer.acquireBuffer());
    // Not earlier: a copy that failed is tried again after the error.
    this.latest = { step, isGood: !isSkipping };
    this.savedAt = performance.now();
    await writer.save({
      folder: run.checkpoints,
      fields: {
        step,
        configSha256: trainingHash(setup.config),
        dataSha256,
        engine: { name: engine.name, info: { ...engine.info } },
        log,
      },
      files: packState(setup, arrays, curriculumState),
      state: arrays,
      logs: logFiles,
      best: best?.step === step ? best : undefined,
      retention: policy.retention,
      verifiedStep: this.verifiedStep,
    });
    await this.beforeStep(step);
  }

  /**
   * Waits for the save in flight if `step` must not be recorded before it is done. With the default overlap of 1, the step
   * after a save runs meanwhile and is recorded once the checkpoint is on disk. So if step s is the last one recorded, the
   * newest checkpoint is never older than s - interval: equal to it only while s is being saved, otherwise newer.
   */
  async beforeStep(step: number): Promise<void> {
    const { overlap } = this.options.setup.config.checkpoints;
    if (this.latest !== undefined && step - this.latest.step >= overlap) await this.writer.drain();
  }

  /** Path of the newest checkpoint created while updates were not being skipped; waits for the save in flight. */
  async lastGoodCheckpoint(): Promise<string | undefined> {
    await this.writer.drain();
    return this.lastGood;
  }

  /**
   * Waits for the last save and reads the newest checkpoint back. If it was damaged after it was written, it is renamed and
   * `snapshot` is saved again. Older checkpoints that were kept for this case are removed.
   *
   * @throws {Error} the error of the last save if it failed, or of the second read
   */
  async finish(snapshot: RunSnapshot): Promise<void> {
    const { run, policy, hooks } = this.options;
    await this.writer.finish();
    if (this.newest === undefined) return;
    try {
      verifyCheckpoint(this.newest);
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (existsSync(this.newest)) {
        for (const text of setDamagedAside([{ path: this.newest, reason: error.message }])) hooks.onNote?.(text);
      } else hooks.onNote?.(error.message);
      this.latest = undefined;
      await this.save(snapshot);
      await this.writer.finish();
      verifyCheckpoint(this.newest);
    }
    for (const text of pruneCheckpoints(run.checkpoints, policy.retention, [snapshot.step])) hooks.onNote?.(text);
  }

  dispose(): Promise<void> {
    return this.writer.dispose();
  }
}
