/** Ends the process where one input takes too long: a loop without end cannot be stopped from within. */
import { Worker } from 'node:worker_threads';

export interface Watchdog {
  /** Before each input. */
  begin(input: Uint8Array): void;
  stop(): Promise<void>;
}

/** Seconds without a new input; counted by the watchdog's own clock ticks, so that a paused process is not ended. */
const PATIENCE = 60;
const MAX_INPUT = 2 ** 16;

// Plain JavaScript, since a worker of the test runner's has its own way of loading TypeScript.
const program = `
  const { workerData } = require('node:worker_threads');
  const { writeFileSync, writeSync } = require('node:fs');
  const { count, lengths, input, path, patience } = workerData;
  let [last, still] = [0, 0];
  setInterval(() => {
    const now = Atomics.load(count, 0);
    still = now === last ? still + 1 : 0;
    last = now;
    if (now === 0 || still < patience) return;
    writeFileSync(path, input.slice(0, lengths[0]));
    writeSync(2, 'A reader did not come back within ' + patience + ' s. Its input is in ' + path + '\\n');
    process.kill(process.pid, 'SIGKILL');
  }, 1000);
`;

/** `path`: where the input is kept that a reader hangs on. */
export function startWatchdog(path: string): Watchdog {
  const count = new Int32Array(new SharedArrayBuffer(4));
  const lengths = new Int32Array(new SharedArrayBuffer(4));
  const input = new Uint8Array(new SharedArrayBuffer(MAX_INPUT));
  const worker = new Worker(program, { eval: true, workerData: { count, lengths, input, path, patience: PATIENCE } });
  worker.unref();
  return {
    begin(bytes) {
      lengths[0] = Math.min(bytes.length, MAX_INPUT);
      input.set(bytes.subarray(0, MAX_INPUT));
      Atomics.add(count, 0, 1);
    },
    stop: async () => void (await worker.terminate()),
  };
}
