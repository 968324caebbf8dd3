/** A count that grows on one line of a terminal; silent elsewhere. */
import { duration } from './progress.js';

export interface Counter {
  /** `done` of `of` images of `name` are through. */
  (name: string, done: number, of: number): void;
  /** Takes the line away. */
  end(): void;
}

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** `now` gives milliseconds. */
export function createCounter(stream: Stream, now: () => number = () => performance.now()): Counter {
  if (stream.isTTY !== true) return Object.assign(() => {}, { end: () => {} });
  let current = '';
  let first = { at: 0, done: 0 };
  const count = (name: string, done: number, of: number) => {
    // The speed is measured from the end of the first batch, which compiles.
    if (name !== current) [current, first] = [name, { at: now(), done }];
    const rate = (done - first.done) / ((now() - first.at) / 1000);
    const speed = rate > 0 ? `  ${rate.toPrecision(3)} images/s  ETA ${duration((of - done) / rate)}` : '';
    const line = `${name}: ${done}/${of}  ${Math.floor((100 * done) / of)} %${speed}`;
    stream.write(`\r\u001B[K${line.slice(0, (stream.columns ?? 80) - 1)}`);
  };
  return Object.assign(count, { end: () => void (current !== '' && stream.write('\r\u001B[K')) });
}
