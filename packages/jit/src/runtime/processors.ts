/** Detects the processors available to this process. */

/**
 * Default number of threads: one per physical core available to this process; one per logical processor if the cores
 * are unknown. The runtime always gets a number: by default it uses all cores of the machine and pins a thread to each,
 * whatever this process has been bound to.
 */
export async function defaultThreads(): Promise<number> {
  const [{ availableParallelism }, { readFileSync }] = await Promise.all([import('node:os'), import('node:fs')]);
  const processors = availableParallelism();
  if (process.platform !== 'linux') return processors;
  try {
    const cores = (await allowedProcessors()).map((processor) =>
      readFileSync(`/sys/devices/system/cpu/cpu${processor}/topology/thread_siblings_list`, 'utf8'),
    );
    return Math.min(processors, new Set(cores).size);
  } catch {
    return processors; // these files do not exist in some sandboxes
  }
}

/** The numbers of the processors available to this process. Linux only: rejects without `/proc`. */
export async function allowedProcessors(): Promise<number[]> {
  const { readFileSync } = await import('node:fs');
  const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
  return list!.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?];
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
