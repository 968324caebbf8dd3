/** Where this code runs, and how much of the machine it may use. */

/** Whether this is Node, with its threads, or else a browser. */
export const isNode = typeof process !== 'undefined' && process.versions?.node !== undefined;

/**
 * Threads of an engine that is given none: one per physical core among the processors that this process may use; if the cores
 * are not known, one per such processor; undefined in a browser. Under Node the runtime is always given a number: left to
 * itself it takes all cores of the machine and pins a thread to each, whatever this process has been bound to.
 */
export async function defaultThreads(): Promise<number | undefined> {
  if (!isNode) return undefined;
  const [{ availableParallelism }, { readFileSync }] = await Promise.all([import('node:os'), import('node:fs')]);
  const processors = availableParallelism();
  if (process.platform !== 'linux') return processors;
  try {
    const cores = (await allowedProcessors()).map((processor) =>
      readFileSync(`/sys/devices/system/cpu/cpu${processor}/topology/thread_siblings_list`, 'utf8'),
    );
    return Math.min(processors, new Set(cores).size);
  } catch {
    return processors; // a sandbox without these files
  }
}

/** The numbers of the processors that this process may use. Linux only: rejects if there is no `/proc`. */
export async function allowedProcessors(): Promise<number[]> {
  const { readFileSync } = await import('node:fs');
  const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
  return list!.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?];
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
