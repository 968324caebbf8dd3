import { readFileSync } from 'node:fs';

/** Peak resident set size of this process in MiB, as reported by the operating system. */
export function peakMemoryMb(): number {
  let status: string;
  try {
    status = readFileSync('/proc/self/status', 'utf8');
  } catch {
    return process.resourceUsage().maxRSS / 1024; // no Linux
  }
  // Not from process.resourceUsage(), which on Linux starts with the parent's peak.
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
