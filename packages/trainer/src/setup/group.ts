/** The processes (ranks) that train one model together, each on its rows of every batch. */

/** Runs on any transport; `openGroup` connects it to MPI. Runs in a browser as well, as `alone`. */
export interface Group {
  /** Index of this process, 0 .. size-1. Rank 0 owns the run folder, the log, and the checkpoints. */
  readonly rank: number;
  readonly size: number;
  /** How messages name a rank, such as `rank 1 (node-a)`. */
  readonly nameOf: (rank: number) => string;
  /**
   * Runs `work` on every rank and returns the results of all, in the order of ranks: plain data and typed arrays. If it
   * throws on a rank, this throws on all ranks, so that none of them waits for it forever. `work` may contain further
   * exchanges, the same ones on all ranks; an error outside of them is reported to the next one of the others. With `to`,
   * only that rank receives the results, and the others an empty list; errors are still thrown on all.
   */
  exchange<T>(this: void, work: () => T | Promise<T>, options?: { readonly to?: number }): Promise<T[]>;
  /** Raises `error` on all ranks. Either all call it, or one instead of the next `exchange` of the others. */
  fail(this: void, error: unknown): Promise<never>;
  /** Replaces each element by its sum over all ranks. */
  sum(this: void, array: Float32Array): Promise<void>;
  /** Replaces the elements by the ones of rank 0. */
  broadcast(this: void, array: Float32Array): Promise<void>;
  /** Runs work that may block this rank for long, while others wait for it. */
  busy<T>(this: void, work: () => T | Promise<T>): Promise<T>;
  /** Names the work of this rank, such as `step 12`, for messages about ranks that stop answering. */
  describe(this: void, activity: string): void;
}

/** The group of a single process. */
export const alone: Group = {
  rank: 0,
  size: 1,
  nameOf: () => 'rank 0',
  exchange: async (work) => [await work()],
  fail: async (error) => {
    throw error;
  },
  sum: async () => {},
  broadcast: async () => {},
  busy: async (work) => work(),
  describe: () => {},
};

/** A contiguous part of rows, images or other work. */
export interface Stretch {
  readonly first: number;
  readonly count: number;
}

/** The part of `total` items that belongs to a rank: sizes differ by at most 1. */
export function stretchOf({ rank, size }: Pick<Group, 'rank' | 'size'>, total: number): Stretch {
  const first = Math.floor((rank * total) / size);
  return { first, count: Math.floor(((rank + 1) * total) / size) - first };
}

/** Runs `work` on every rank and returns the own result, once it has succeeded on all of them. */
export async function onEveryRank<T>(group: Group, work: () => T | Promise<T>): Promise<T> {
  const results: T[] = [];
  await group.exchange(async () => {
    results.push(await group.busy(work));
    return undefined;
  });
  return results[0]!;
}

/** Runs `work` on rank 0 only and returns its result, plain data and typed arrays, on all ranks. */
export async function fromRankZero<T>(group: Group, work: () => T | Promise<T>): Promise<T> {
  const [result] = await group.exchange(async () => (group.rank === 0 ? group.busy(work) : undefined));
  return result as T;
}
