/** Callbacks of training. */
import type { Config } from '../config/schema.js';
import type { MetricsRecord } from '../run/metrics-record.js';
import type { OnPhase } from '../setup/phases.js';

export interface TrainHooks {
  /** Called once, before the first step. */
  readonly onStart?: (started: RunStarted) => void;
  /** After each optimizer step: steps done and the batch's weighted mean loss, not finite if the update was skipped. */
  readonly onStep?: (step: number, loss: number) => void;
  /** After each line of metrics.jsonl. */
  readonly onLog?: (record: MetricsRecord, totalSteps: number) => void;
  readonly onSample?: (sample: { readonly step: number; readonly path: string }) => void;
  readonly onCheckpoint?: (checkpoint: { readonly step: number; readonly path: string }) => void;
  /** Notes for the user, such as a skipped checkpoint, a different engine than before, or a skipped update. */
  readonly onNote?: (text: string) => void;
  /** Parts that may take long before there is a result: reading and hashing data, compiling, the first step, sampling. */
  readonly onPhase?: OnPhase;
}

export interface RunStarted {
  readonly out: string;
  readonly model: string;
  readonly parameters: number;
  readonly engine: string;
  readonly data: string;
  readonly images: number;
  readonly shape: readonly number[];
  readonly batchSize: number;
  /** Number of processes, if there are several. */
  readonly ranks?: number;
  /** Steps already done. */
  readonly step: number;
  readonly totalSteps: number;
  /** What ends this session earlier; null for no limit. */
  readonly budgets: Config['budgets'];
}
