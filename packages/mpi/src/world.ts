import { hostname } from 'node:os';

/** Numbers that ranks can add or compare. Arrays may be in shared memory. */
export type NumberArray = Float32Array | Float64Array | Int32Array;

export interface GatherOptions {
  /** The only rank that receives the arrays; the others get an empty list. Default: all ranks receive them. */
  readonly to?: number;
}

/**
 * The processes that one launcher started, and the collective calls that connect them. Every rank must make the same
 * calls in the same order, and await each of them before the next. Waiting does not block the event loop.
 */
export interface World {
  /** Index of this process, 0 .. size-1. */
  readonly rank: number;
  readonly size: number;
  /** Index of this process among the ranks on its host, 0 .. localSize-1. */
  readonly localRank: number;
  readonly localSize: number;
  /** Host name of each rank. */
  readonly hosts: readonly string[];
  /** The MPI library, for example `Open MPI v4.1.4`; undefined in a world without MPI. */
  readonly library: string | undefined;
  /** Replaces each element by its sum over all ranks. All ranks get the same bits. */
  sum(array: NumberArray): Promise<void>;
  /** Replaces each element by its maximum over all ranks. */
  max(array: NumberArray): Promise<void>;
  /**
   * The bytes of every rank, of any length, in the order of ranks.
   *
   * @throws {RangeError} on all ranks if they are 2 GiB or more in total
   */
  gather(bytes: Uint8Array, options?: GatherOptions): Promise<Uint8Array[]>;
  /** Replaces the elements by the ones that rank `root` has (default 0). All ranks must pass an array of the same byte length. */
  broadcast(array: ArrayBufferView, root?: number): Promise<void>;
  /** Resolves when all ranks have called it. */
  barrier(): Promise<void>;
  /** Names what this process is doing, for the error of the watchdog, such as `step 12`. */
  describe(activity: string): void;
  /**
   * Runs work that may block this process, for which others may have to wait: it is lost only if it does not answer for 30
   * times as long as otherwise. Any rank may call this, also within other such work.
   */
  busy<T>(work: () => T | Promise<T>): Promise<T>;
  /** Ends the processes of all ranks, this one included, after a pause in which launchers read their output. */
  abort(exitCode?: number): never;
  /** Leaves the world. All ranks must call it; none may be used afterwards. */
  close(): Promise<void>;
}

/** A world with one rank, in which all calls return at once. Nothing is loaded. */
export function worldOfOne(): World {
  return {
    rank: 0,
    size: 1,
    localRank: 0,
    localSize: 1,
    hosts: [hostname()],
    library: undefined,
    async sum() {},
    async max() {},
    async gather(bytes) {
      return [bytes.slice()];
    },
    async broadcast() {},
    async barrier() {},
    describe() {},
    busy: async (work) => work(),
    abort: (exitCode = 1) => process.exit(exitCode),
    async close() {},
  };
}
