/** One optimizer step (`trainStep`), and the training loop (`trainingSteps`), which all training uses. */
import type { ScheduleState } from '@dm/curriculum';
import { drawTimesteps, Prefetcher, type Batch, type DrawnTimesteps } from './batch.js';
import type { CompiledStep, StepResult } from './compiled-step.js';
import { NonFiniteGuard } from './non-finite-guard.js';
import type { TrainingSetup } from '../setup/training-setup.js';

export interface TrainStepResult {
  readonly sample: DrawnTimesteps;
  readonly result: StepResult;
  /** State of the curriculum after the step, from which the next timesteps are drawn. */
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
  /** Index of the first optimizer step. Default: 0. */
  readonly firstStep?: number;
  /** One past the last step. Default: `config.totalSteps`. */
  readonly endStep?: number;
  /** State of the curriculum before `firstStep`. Default: its initial state. */
  readonly curriculumState?: ScheduleState | undefined;
  /** Transforms each batch before its step, for example to pair images and noise differently. */
  readonly transformBatch?: ((batch: Batch) => Batch) | undefined;
  /** Whether to read the next batch while a step runs; otherwise a batch is read when its step starts. Default: true. */
  readonly prefetch?: boolean;
  /** Counts steps that are not finite. Default: a new guard with `config.maxSkippedSteps`. */
  readonly guard?: NonFiniteGuard;
  /**
   * Returns the newest checkpoint from before updates were skipped, for the message of the error that ends training. Called
   * before a non-finite step is counted; may wait for a save in flight.
   */
  readonly lastGoodCheckpoint?: () => Promise<string | undefined>;
}

/** The outcome of an optimizer step. */
export interface StepOutcome extends TrainStepResult {
  /** Optimizer steps done, including this one. */
  readonly step: number;
  /** Duration of the step in seconds, including the wait for its batch. */
  readonly seconds: number;
  /** Part of `seconds` spent waiting for the batch. */
  readonly secondsWaited: number;
  /** If the update was skipped: a message with the reason and the number of consecutive skips. */
  readonly skipped: string | undefined;
}

/**
 * The training loop as an async iterator over optimizer steps. Work of the caller between steps (logging, evaluating,
 * saving, yielding to the event loop) is not timed.
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

    // Fetch data, which was requested during the previous step.
    if (!prefetch) prefetcher.request(step);
    const read = await prefetcher.next().catch(setup.group.fail);
    const batch = transformBatch === undefined ? read : transformBatch(read);
    const secondsWaited = secondsSince(began);

    // Run the step; meanwhile, read the next batch.
    const running = trainStep(setup, compiledStep, step, batch, curriculumState);
    if (prefetch && step + 1 < endStep) prefetcher.request(step + 1);
    const done = await running;
    const seconds = secondsSince(began);
    curriculumState = done.curriculumState;

    // Skip or abort.
    const lastGood = done.result.isFinite ? undefined : await lastGoodCheckpoint?.();
    let skipped: string | undefined;
    try {
      skipped = guard.add(step + 1, done.result, lastGood);
    } catch (error) {
      await setup.group.fail(error); // all ranks have the same result
    }

    yield { ...done, step: step + 1, seconds, secondsWaited, skipped };
  }
}

/** Seconds since a time of `performance.now()`. */
export function secondsSince(moment: number): number {
  return (performance.now() - moment) / 1000;
}
