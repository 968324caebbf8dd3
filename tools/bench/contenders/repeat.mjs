/** Timing and memory measurement of every contender. repeat.py is the same in Python. */
import { readFileSync } from 'node:fs';

/**
 * @typedef {object} Pace
 * @property {number} warmup Number of untimed calls after the first one.
 * @property {number} steps Number of timed calls.
 * @property {number} seconds Time limit for the timed calls, of which at least one is made; half of it for the warmup.
 */

/**
 * Times a function: the first call, and `steps` later ones, in milliseconds.
 *
 * @param {() => Promise<void>} call
 * @param {Pace} pace
 * @param {() => Promise<void>} [warm] Called instead of `call` before the timed calls.
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

/** CPU seconds used by this process. */
export function cpuSeconds() {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  return (userCPUTime + systemCPUTime) / 1e6;
}

/** Peak resident set size of this process, in MiB. */
export function peakMb() {
  try {
    // Not from getrusage, whose value starts at the parent's.
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}
