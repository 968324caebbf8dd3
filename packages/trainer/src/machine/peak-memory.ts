import { readFileSync } from 'node:fs';

/** Largest resident size that this process has had, in MiB, as the operating system counts it. */
export function peakMemoryMb(): number {
  let status: string;
  try {
    status = readFileSync('/proc/self/status', 'utf8');
  } catch {
    return process.resourceUsage().maxRSS / 1024; // no Linux
  }
  // Not resourceUsage's, which begins there with what the parent had.
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
