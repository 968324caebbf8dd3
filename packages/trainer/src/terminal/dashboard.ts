/**
 * `dm train --ui`: a few lines at the bottom of the terminal that are drawn anew as the training goes on; what is to stay,
 * such as warnings, scrolls away above them. The cursor is hidden meanwhile, and there again however the process ends.
 */
import { createLogUpdate } from 'log-update';
import type { TrainHooks } from '../session/hooks.js';
import { canvasOf, messageLine } from './output.js';
import { renderDashboard } from './render.js';
import { initialDashboardState, withRecord, type DashboardState } from './dashboard-state.js';

export interface Dashboard {
  readonly hooks: TrainHooks;
  /** Says something that stays, above the dashboard. */
  readonly note: (text: string) => void;
  /** Leaves the last state on the screen and gives the cursor back; may be called again. */
  readonly end: () => void;
}

/** Draws on `stream`, a terminal. */
export function createDashboard(stream: NodeJS.WriteStream): Dashboard {
  const canvas = canvasOf(stream);
  const screen = createLogUpdate(canvas);
  let state: DashboardState = initialDashboardState;
  let isOver = false;
  const draw = () => screen(renderDashboard(state, stream.columns ?? 80, stream.rows ?? 24));
  const show = (change: Partial<DashboardState>) => {
    state = { ...state, ...change };
    if (!isOver) draw();
  };
  const note = (text: string) => {
    screen.clear();
    canvas.write(`${messageLine(text)}\n`);
    if (!isOver) draw();
  };
  const onResize = () => show({});
  stream.on('resize', onResize);
  return {
    hooks: {
      onStart: (started) => show({ started }),
      onLog: (record) => show(withRecord(state, record)),
      onCheckpoint: (checkpoint) => show({ checkpoint }),
      onSample: (sample) => show({ sample }),
      onNote: note,
    },
    note,
    end() {
      if (isOver) return;
      isOver = true;
      stream.off('resize', onResize);
      screen.done();
    },
  };
}
