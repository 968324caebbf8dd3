/** Largest resident size that this process has had, in MiB, as the operating system counts it. */
export function peakMemoryMb(): number {
  return process.resourceUsage().maxRSS / 1024;
}
