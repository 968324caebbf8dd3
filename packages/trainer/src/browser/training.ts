/**
 * A run in a browser: trains with the same step as `dm train`, and stores its checkpoints, so that a reload or a closed tab
 * loses no more than the steps since the last one. To be used in a module worker.
 *
 *   const store = await openOpfsStore('digits');
 *   const training = createBrowserTraining({ model: 'dit', totalSteps: 2000 }, { store, dataset, ort, onStep });
 *   await training.run(); // continues the run in the store, if there is one
 *
 * A resumed run is bit-identical to an uninterrupted one on the same device with the same number of threads.
 */
import type { PartialConfig } from '../config/schema.js';
import { UserError } from '../errors.js';
import { reachedBudget } from '../session/budgets.js';
import type { StepOutcome } from '../step/training-loop.js';
import type { BrowserRun, BrowserSamples, BrowserTrainingOptions, SavedCheckpoint } from './run-options.js';
import { openSession, type Session } from './session.js';

/** How `run` ended: all steps are done, it was aborted, or it reached a budget. */
export interface BrowserRunResult {
  readonly status: 'finished' | 'stopped' | 'timeBudget' | 'stepBudget' | 'imageBudget';
  readonly step: number;
  readonly totalSteps: number;
}

/** A run in a browser. Its methods may be called at any time; they take turns with the steps. */
export interface BrowserTraining {
  /**
   * Opens the run, unless that has been done; all other methods do so too.
   *
   * @throws {UserError} `RUN_LOCKED` if another tab uses it, `RESUME_MISMATCH` if the run in the store is another training,
   *   `CHECKPOINT_INVALID` if all its checkpoints are damaged, `CONFIG_INVALID` if a browser cannot do what the
   *   configuration asks for, `DISK_FULL` if no checkpoint of a new run fits
   */
  open(): Promise<BrowserRun>;
  /**
   * Trains until all steps are done, the run is aborted, or it reaches a budget of `config.budgets`; saves a checkpoint
   * then. Waits while paused.
   *
   * @throws {UserError} `LOSS_NOT_FINITE` if training has diverged; the error of the last save, if it failed
   */
  run(): Promise<BrowserRunResult>;
  /** Pauses `run`; resolves after the current step. */
  pause(): Promise<void>;
  /** Continues `run` after a pause. */
  resume(): void;
  /** Makes a single step, also while paused; undefined if all steps are done. */
  step(): Promise<StepOutcome | undefined>;
  /** Generates `count` images (default `config.samples`) with the averaged weights, from the noise of the run's seed. */
  sample(count?: number): Promise<BrowserSamples>;
  /** The averaged weights of this step as a safetensors file, `ema.safetensors` of a checkpoint; nothing is stored. */
  weights(): Promise<Uint8Array<ArrayBuffer>>;
  /** Saves a checkpoint now, unless this step is saved; returns its step and path. */
  checkpoint(): Promise<SavedCheckpoint>;
  /** Stops after the current step, saves a checkpoint, frees the engine and unlocks the run. */
  abort(): Promise<void>;
}

/** Creates a run in a browser, or continues the one in the store. Nothing is read or computed before its first method. */
export function createBrowserTraining(config: PartialConfig, options: BrowserTrainingOptions): BrowserTraining {
  return new Training(config, options);
}

class Training implements BrowserTraining {
  private session: Promise<Session> | undefined;
  private running: Promise<BrowserRunResult> | undefined;
  /** The last operation on the engine; operations run one after the other. */
  private last: Promise<unknown> = Promise.resolve();
  private isPaused = false;
  private isAborted = false;
  private closed: Promise<void> | undefined;
  /** Ends the wait of a paused run. */
  private wake: () => void = () => {};

  constructor(
    private readonly config: PartialConfig,
    private readonly options: BrowserTrainingOptions,
  ) {
    const { signal } = options;
    const onAbort = () => void this.abort().catch(() => {}); // `run` throws the error
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  }

  async open(): Promise<BrowserRun> {
    return (await this.opened()).describe();
  }

  run(): Promise<BrowserRunResult> {
    this.resume();
    this.running ??= this.loop().finally(() => (this.running = undefined));
    return this.running;
  }

  async pause(): Promise<void> {
    this.isPaused = true;
    await this.last;
  }

  resume(): void {
    this.isPaused = false;
    this.wake();
  }

  step(): Promise<StepOutcome | undefined> {
    return this.inTurn(async () => (await this.opened()).advance());
  }

  sample(count?: number): Promise<BrowserSamples> {
    return this.inTurn(async () => (await this.opened()).sample(count));
  }

  weights(): Promise<Uint8Array<ArrayBuffer>> {
    return this.inTurn(async () => (await this.opened()).weights());
  }

  checkpoint(): Promise<SavedCheckpoint> {
    return this.inTurn(async () => (await this.opened()).save());
  }

  abort(): Promise<void> {
    this.isAborted = true;
    this.wake();
    this.closed ??= this.close();
    return this.closed;
  }

  private async loop(): Promise<BrowserRunResult> {
    const session = await this.opened();
    try {
      return await this.train(session);
    } catch (error) {
      await this.abort().catch(() => {}); // the error that led here says more
      throw error;
    }
  }

  private async train(session: Session): Promise<BrowserRunResult> {
    let began = performance.now();
    const { config } = session.setup;
    const { totalSteps } = config;
    const firstStep = session.step;
    const result = (status: BrowserRunResult['status']) => ({ status, step: session.step, totalSteps });
    while (!this.isAborted) {
      if (this.isPaused) {
        const paused = performance.now();
        await new Promise<void>((wake) => (this.wake = wake));
        began += performance.now() - paused; // a pause does not count in the budget
        continue;
      }
      const outcome = await this.inTurn(async () => (this.isAborted ? undefined : session.advance()));
      if (outcome === undefined) break;
      const reached = reachedBudget(config, session.step - firstStep, (performance.now() - began) / 1000);
      if (reached !== undefined && session.step < totalSteps) {
        await this.inTurn(() => session.save());
        return result(reached);
      }
      await macrotask();
    }
    if (this.isAborted) {
      await this.abort();
      return result('stopped');
    }
    await this.inTurn(() => session.finish());
    return result('finished');
  }

  /** Runs an operation after the one before it. */
  private inTurn<T>(operation: () => Promise<T>): Promise<T> {
    const turn = this.last.then(operation);
    this.last = turn.catch(() => {}); // reported to its caller
    return turn;
  }

  private async opened(): Promise<Session> {
    if (this.isAborted) {
      throw new UserError('The training was aborted. Create it again to continue.', { code: 'RUN_CLOSED' });
    }
    this.session ??= openSession(this.config, this.options);
    return this.session;
  }

  private async close(): Promise<void> {
    await this.last;
    const session = await this.session?.catch(() => undefined); // reported to who opened it
    if (session === undefined) return;
    try {
      await session.finish();
    } finally {
      await session.dispose();
    }
  }
}

/** Resolves in a new task, after the messages that the worker has received in the meantime. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(undefined);
  });
}
