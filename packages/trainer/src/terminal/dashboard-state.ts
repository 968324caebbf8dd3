/** The state of the dashboard as plain data; each training event produces the next state. */
import type { RunStarted } from '../session/hooks.js';
import type { MetricsRecord } from '../run/metrics-record.js';

export interface DashboardState {
  readonly started?: RunStarted;
  /** Losses of the logged steps of this session, oldest first; at most `keptLosses`. */
  readonly losses: readonly number[];
  /** The last logged step. */
  readonly latest?: MetricsRecord;
  /** The innermost phase, such as `compiling training step`; empty between phases. */
  readonly phase?: string;
  readonly checkpoint?: WrittenFile;
  readonly sample?: WrittenFile;
}

export interface WrittenFile {
  readonly step: number;
  readonly path: string;
}

/** More than the columns of any terminal. */
const keptLosses = 500;

export const initialDashboardState: DashboardState = { losses: [] };

/** `state` after a logged step. */
export function withRecord(state: DashboardState, record: MetricsRecord): DashboardState {
  return { ...state, latest: record, losses: [...state.losses, record.loss].slice(-keptLosses) };
}
