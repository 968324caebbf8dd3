/** Watches the memory in use on the first NVIDIA card, by all processes: WebGPU does not report its memory. */
import { spawn } from 'node:child_process';

/** Milliseconds between two readings. */
const interval = 200;

/** Starts watching; without nvidia-smi, nothing is measured. */
export function watchMemory() {
  /** @type {number | undefined} */
  let used;
  let peak = 0;
  const child = spawn(
    'nvidia-smi',
    ['--id=0', '--query-gpu=memory.used', '--format=csv,noheader,nounits', `--loop-ms=${interval}`],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  child.on('error', () => {});
  child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    for (const line of text.trim().split('\n')) {
      const value = Number(line);
      if (!Number.isFinite(value)) continue;
      used = value;
      peak = Math.max(peak, value);
    }
  });
  return {
    /** Starts a measurement. The returned function ends it: peak minus the value at the start, in MiB. */
    start() {
      const before = used;
      peak = used ?? 0;
      return () => (before === undefined ? undefined : Math.max(0, peak - before));
    },
    stop: () => {
      // If nvidia-smi could not be started, there is nothing to stop, and Node would signal this process group.
      if (child.pid !== undefined) child.kill();
    },
  };
}
