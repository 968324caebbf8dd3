/** How every contender times its work, and what it says of its memory. repeat.py has the same. */
import { readFileSync } from 'node:fs';

/**
 * @typedef {object} Pace
 * @property {number} warmup Calls that are not timed, after the first one.
 * @property {number} steps Calls that are.
 * @property {number} seconds After half of them the warm-up ends early; after all of them the timed calls do, of which one is made.
 */

/**
 * The first call and the timed ones in milliseconds.
 *
 * @param {() => Promise<void>} call
 * @param {Pace} pace
 * @param {() => Promise<void>} [warm] What is called in its place before the timed calls.
 */
export async function repeat(call, { warmup, steps, seconds }, warm = call) {
  /** @param {() => Promise<void>} work */
  const timed = async (work) => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
  const firstMs = await timed(warm);
  let began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  for (let i = 0; i < warmup && elapsed() < seconds / 2; i++) await timed(warm);
  began = performance.now();
  const ms = [await timed(call)];
  while (ms.length < steps && elapsed() < seconds) ms.push(await timed(call));
  return { firstMs, ms };
}

/** Seconds of processor time that this process has used. */
export function cpuSeconds() {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  return (userCPUTime + systemCPUTime) / 1e6;
}

/** Largest resident size of this process so far, in MiB. */
export function peakMb() {
  try {
    // Not getrusage's: that one begins with what the parent had.
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}
