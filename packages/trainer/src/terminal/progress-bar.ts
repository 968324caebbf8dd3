/** A count that grows on one line of a terminal; silent elsewhere. */
import { formatDuration } from './progress.js';

export interface ProgressBar {
  /** `done` of `total` images of `name` are through. */
  (name: string, done: number, total: number): void;
  /** Takes the line away. */
  end(): void;
}

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** `now` gives milliseconds. */
export function createProgressBar(stream: Stream, now: () => number = () => performance.now()): ProgressBar {
  if (stream.isTTY !== true) return Object.assign(() => {}, { end: () => {} });
  let current = '';
  let first = { at: 0, done: 0 };
  const count = (name: string, done: number, total: number) => {
    // The speed is measured from the end of the first batch, which compiles.
    if (name !== current) [current, first] = [name, { at: now(), done }];
    const rate = (done - first.done) / ((now() - first.at) / 1000);
    const speed = rate > 0 ? `  ${rate.toPrecision(3)} images/s  ETA ${formatDuration((total - done) / rate)}` : '';
    const line = `${name}: ${done}/${total}  ${Math.floor((100 * done) / total)} %${speed}`;
    stream.write(`\r\u001B[K${line.slice(0, (stream.columns ?? 80) - 1)}`);
  };
  return Object.assign(count, { end: () => void (current !== '' && stream.write('\r\u001B[K')) });
}
