/** The batches of a run in order, each read while the step before it is computed. */
import { fetchBatch, type Batch } from './batch.js';
import type { TrainingSetup } from '../setup/training-setup.js';

export class Prefetcher {
  private next: Promise<Batch> | undefined;

  /** Asks for the batch of optimizer step `step` (from 0), where the run has one. */
  constructor(
    private readonly setup: TrainingSetup,
    step: number,
  ) {
    this.ask(step);
  }

  ask(step: number): void {
    if (step >= this.setup.config.totalSteps) return;
    this.next = fetchBatch(this.setup, step);
    this.next.catch(() => {}); // said by `take`, unless a step fails first
  }

  /** The batch that was asked for last. */
  async take(): Promise<Batch> {
    if (this.next === undefined) throw new Error('no batch was asked for');
    return this.next;
  }
}
