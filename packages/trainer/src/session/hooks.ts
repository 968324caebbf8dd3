/** What a training tells its caller while it goes on. */
import type { MetricsRecord } from '../run/metrics.js';

export interface TrainHooks {
  /** Once, before the first step. */
  readonly onStart?: (started: RunStarted) => void;
  /** After each optimizer step: steps done and the batch's weighted mean loss, no number where the update was skipped. */
  readonly onStep?: (step: number, loss: number) => void;
  /** After each line of metrics.jsonl. */
  readonly onLog?: (record: MetricsRecord, totalSteps: number) => void;
  readonly onSample?: (sample: { readonly step: number; readonly path: string }) => void;
  readonly onCheckpoint?: (checkpoint: { readonly step: number; readonly path: string }) => void;
  /** What a person should know: a checkpoint that was skipped, another engine than before, an update that was skipped. */
  readonly onNote?: (text: string) => void;
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
  /** Steps done already. */
  readonly step: number;
  readonly totalSteps: number;
}
