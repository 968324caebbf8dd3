/** A progress count on one line of a terminal; silent if the output is not a terminal. */
import { createScreen, type TextStream } from './output.js';
import { formatDuration } from './progress.js';

export interface ProgressBar {
  /** Shows that `done` of `total` images of `name` are done. */
  (name: string, done: number, total: number): void;
  /** Clears the line. */
  end(): void;
}

/** `now` returns milliseconds. */
export function createProgressBar(stream: TextStream, now: () => number = () => performance.now()): ProgressBar {
  const screen = createScreen(stream);
  if (!screen.isTerminal) return Object.assign(() => {}, { end: () => {} });
  let current = '';
  let first = { at: 0, done: 0 };
  const count = (name: string, done: number, total: number) => {
    // The speed is measured from the end of the first batch, which compiles.
    if (name !== current) [current, first] = [name, { at: now(), done }];
    const rate = (done - first.done) / ((now() - first.at) / 1000);
    const speed = rate > 0 ? `  ${rate.toPrecision(3)} images/s  ETA ${formatDuration((total - done) / rate)}` : '';
    screen.live(`${name}: ${done}/${total}  ${Math.floor((100 * done) / total)} %${speed}`);
  };
  return Object.assign(count, { end: () => screen.end('clear') });
}
