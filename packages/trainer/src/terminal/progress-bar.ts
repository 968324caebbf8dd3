/** Progress of a command on one line of a terminal; elsewhere a line at most every 20 seconds. */
import type { OnPhase } from '../setup/phases.js';
import { createScreen, type TextStream } from './output.js';
import { createPhaseView, silenceMs } from './phase-view.js';
import { formatDuration } from './duration.js';

export interface ProgressBar {
  /** Shows the count: `done` of `total` images, or of another unit. */
  (name: string, done: number, total: number, unit?: string): void;
  /** Shows a phase, with the count so far. */
  readonly onPhase: OnPhase;
  /** Clears the line. */
  end(): void;
}

/** `now` returns milliseconds. */
export function createProgressBar(stream: TextStream, now: () => number = () => performance.now()): ProgressBar {
  const screen = createScreen(stream);
  let current = '';
  let counted = '';
  const phases = createPhaseView(screen, { detail: (name) => (name === current ? counted : '') });
  let first = { at: 0, done: 0 };
  let printedAt = now();
  const count = (name: string, done: number, total: number, unit = 'images') => {
    // The speed is measured from the end of the first batch, which compiles.
    if (name !== current) [current, first] = [name, { at: now(), done }];
    const rate = (done - first.done) / ((now() - first.at) / 1000);
    const speed = rate > 0 ? `  ${rate.toPrecision(3)} ${unit}/s  ETA ${formatDuration((total - done) / rate)}` : '';
    counted = `${done}/${total}  ${Math.floor((100 * done) / total)}%${speed}`;
    const line = `${name}: ${counted}`;
    if (screen.isTerminal) screen.live(line);
    else if (now() - printedAt >= silenceMs) {
      printedAt = now();
      screen.note(line);
    }
  };
  const end = () => {
    phases.end();
    screen.end('clear');
  };
  return Object.assign(count, { onPhase: phases.onPhase, end });
}
