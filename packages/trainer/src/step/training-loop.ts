/** One optimizer step (`trainStep`), and the loop over them (`trainingSteps`): every training runs through here. */
import type { TimestepSample, ScheduleState } from '@dm/curriculum';
import { drawTimesteps, Prefetcher, type Batch } from './batch.js';
import type { CompiledStep, StepResult } from './compiled-step.js';
import { NonFiniteGuard } from './non-finite-guard.js';
import type { TrainingSetup } from '../setup/training-setup.js';

export interface TrainStepResult {
  readonly sample: TimestepSample;
  readonly result: StepResult;
  /** After the step: what the next one's timesteps are drawn with. */
  readonly curriculumState: ScheduleState | undefined;
}

/**
 * One optimizer step, `step` counted from 0: draw timesteps, run the compiled step (accumulate gradients, update weights
 * and averages), update the curriculum from the losses. A step that is not finite changes neither weights nor curriculum.
 */
export async function trainStep(
  setup: TrainingSetup,
  compiledStep: CompiledStep,
  step: number,
  batch: Batch,
  curriculumState: ScheduleState | undefined,
): Promise<TrainStepResult> {
  const { curriculum } = setup;
  const sample = drawTimesteps(setup, step, curriculumState);
  const result = await compiledStep.run(step, batch, sample);
  if (!result.isFinite || curriculumState === undefined || curriculum.update === undefined) {
    return { sample, result, curriculumState };
  }
  return { sample, result, curriculumState: curriculum.update(curriculumState, sample.timesteps, result.losses) };
}

export interface TrainingStepsOptions {
  /** The first optimizer step, from 0. Default 0. */
  readonly firstStep?: number;
  /** One past the last. Default `config.totalSteps`. */
  readonly endStep?: number;
  /** The curriculum's state before `firstStep`. Default its initial one. */
  readonly curriculumState?: ScheduleState | undefined;
  /** Changes each batch before its step, for instance by another pairing of images and noise. */
  readonly transformBatch?: ((batch: Batch) => Batch) | undefined;
  /** Reads the next batch while a step is computed. Default true; without it a batch is read when its step begins. */
  readonly prefetch?: boolean;
  /** Counts steps that are not finite. Default a new one with `config.maxSkippedSteps`. */
  readonly guard?: NonFiniteGuard;
  /**
   * The newest checkpoint from before updates were skipped, for the error that ends the training. Called before a step
   * that is not finite is counted, so it may wait for a save in flight.
   */
  readonly lastGoodCheckpoint?: () => Promise<string | undefined>;
}

/** What is known after an optimizer step. */
export interface StepOutcome extends TrainStepResult {
  /** Optimizer steps done, this one included. */
  readonly step: number;
  /** Of the whole step, waiting for its batch included. */
  readonly seconds: number;
  /** Of these, spent waiting for the batch. */
  readonly secondsWaited: number;
  /** If the update was skipped: why, and how often in a row. */
  readonly skipped: string | undefined;
}

/**
 * The optimizer steps of a training, one after the other; what the caller does between them (logging, evaluating, saving,
 * giving the event loop a turn) is not timed.
 *
 *   for await (const { step, result } of trainingSteps(setup, compiledStep)) console.log(step, result.loss);
 *
 * An update whose loss or gradient is not finite is skipped and counted by the guard.
 *
 * @throws {UserError} after `config.maxSkippedSteps` skipped updates in a row
 */
export async function* trainingSteps(
  setup: TrainingSetup,
  compiledStep: CompiledStep,
  options: TrainingStepsOptions = {},
): AsyncGenerator<StepOutcome, void, undefined> {
  const {
    firstStep = 0,
    endStep = setup.config.totalSteps,
    transformBatch,
    prefetch = true,
    guard = new NonFiniteGuard(setup.config.maxSkippedSteps),
    lastGoodCheckpoint,
  } = options;
  let curriculumState = options.curriculumState ?? setup.curriculum.initialState?.();
  const prefetcher = new Prefetcher(setup);
  if (prefetch && firstStep < endStep) prefetcher.request(firstStep);

  for (let step = firstStep; step < endStep; step++) {
    const began = performance.now();

    // Fetch data: requested while the step before was computed.
    if (!prefetch) prefetcher.request(step);
    const read = await prefetcher.next();
    const batch = transformBatch === undefined ? read : transformBatch(read);
    const secondsWaited = secondsSince(began);

    // Step. While the engine computes, the next batch is read.
    const running = trainStep(setup, compiledStep, step, batch, curriculumState);
    if (prefetch && step + 1 < endStep) prefetcher.request(step + 1);
    const done = await running;
    const seconds = secondsSince(began);
    curriculumState = done.curriculumState;

    // Skip or abort.
    const lastGood = done.result.isFinite ? undefined : await lastGoodCheckpoint?.();
    const skipped = guard.add(step + 1, done.result, lastGood);

    yield { ...done, step: step + 1, seconds, secondsWaited, skipped };
  }
}

/** Since a moment of `performance.now()`. */
export function secondsSince(moment: number): number {
  return (performance.now() - moment) / 1000;
}
