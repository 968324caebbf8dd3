/** What the dashboard shows, as plain data: each thing that a training tells makes the next snapshot. */
import type { RunStarted } from '../session/hooks.js';
import type { MetricsRecord } from '../run/metrics.js';

export interface Snapshot {
  readonly started?: RunStarted;
  /** Losses of the logged steps of this session, the oldest first; at most `keptLosses`. */
  readonly losses: readonly number[];
  /** The last logged step. */
  readonly latest?: MetricsRecord;
  readonly checkpoint?: Written;
  readonly sample?: Written;
}

export interface Written {
  readonly step: number;
  readonly path: string;
}

/** More than the widest terminal has columns. */
const keptLosses = 500;

export const emptySnapshot: Snapshot = { losses: [] };

/** `snapshot` after a logged step. */
export function withRecord(snapshot: Snapshot, record: MetricsRecord): Snapshot {
  return { ...snapshot, latest: record, losses: [...snapshot.losses, record.loss].slice(-keptLosses) };
}
