/**
 * `dm train --ui`: a few lines at the bottom of the terminal that are redrawn during training. Permanent output, such as
 * warnings, scrolls above them. The cursor is hidden meanwhile, and restored however the process ends.
 */
import { createLogUpdate } from 'log-update';
import type { TrainHooks } from '../session/hooks.js';
import { canvasOf, messageLine } from './output.js';
import { renderDashboard } from './render.js';
import { initialDashboardState, withRecord, type DashboardState } from './dashboard-state.js';

export interface Dashboard {
  readonly hooks: TrainHooks;
  /** Prints a permanent message above the dashboard. */
  readonly note: (text: string) => void;
  /** Leaves the last state on the screen and restores the cursor. Idempotent. */
  readonly end: () => void;
}

/** Creates a dashboard on `stream`, which must be a terminal. */
export function createDashboard(stream: NodeJS.WriteStream): Dashboard {
  const canvas = canvasOf(stream);
  const screen = createLogUpdate(canvas);
  let state: DashboardState = initialDashboardState;
  let isOver = false;
  const phases: string[] = [];
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
      onPhase: ({ name, seconds }) => {
        if (seconds === undefined) phases.push(name);
        else phases.splice(phases.lastIndexOf(name), 1);
        show({ phase: phases.at(-1) ?? '' });
      },
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
