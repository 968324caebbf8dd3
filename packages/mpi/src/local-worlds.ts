import { hostname } from 'node:os';
import { MpiError } from './errors.js';
import type { NumberArray, World } from './world.js';

/** A call that not all ranks have made yet. */
interface Round {
  readonly kind: string;
  readonly given: unknown[];
  readonly done: Promise<void>;
  readonly finish: (error?: MpiError) => void;
  arrived: number;
}

/**
 * Ranks within this process, without MPI: for tests of programs that use a `World`. Sums are added in the order of ranks.
 *
 * @param size number of ranks, at least 1
 * @returns the worlds of the ranks, in order
 * @throws {RangeError} if `size` is not a positive integer
 */
export function localWorlds(size: number): World[] {
  if (!Number.isSafeInteger(size) || size < 1) throw new RangeError(`size must be at least 1, got ${size}`);
  let round: Round | undefined;

  /** Waits until all ranks have called `kind`, and returns what they gave. */
  async function meet<T>(rank: number, kind: string, value: T): Promise<T[]> {
    const own = (round ??= openRound(kind, size));
    if (own.kind !== kind) {
      const error = new MpiError('MPI_BUSY', `rank ${rank} called ${kind} while other ranks called ${own.kind}`);
      own.finish(error);
      throw error;
    }
    own.given[rank] = value;
    own.arrived++;
    if (own.arrived === size) {
      round = undefined;
      own.finish();
    }
    await own.done;
    return own.given as T[];
  }

  return Array.from({ length: size }, (_, rank): World => {
    const combine = async (kind: string, array: NumberArray, add: (a: number, b: number) => number) => {
      const copies = await meet(rank, kind, array.slice());
      array.set(copies.reduce((total, copy) => total.map((value, i) => add(value, copy[i]!))));
    };
    return {
      rank,
      size,
      localRank: rank,
      localSize: size,
      hosts: Array.from({ length: size }, () => hostname()),
      library: undefined,
      sum: (array) => combine('sum', array, (a, b) => a + b),
      max: (array) => combine('max', array, Math.max),
      async gather(bytes, { to } = {}) {
        const all = await meet(rank, 'gather', bytes.slice());
        return to === undefined || to === rank ? all.map((each) => each.slice()) : [];
      },
      async broadcast(array, root = 0) {
        const all = await meet(rank, 'broadcast', bytesOf(array).slice());
        bytesOf(array).set(all[root]!);
      },
      async barrier() {
        await meet(rank, 'barrier', undefined);
      },
      describe() {},
      busy: async (work) => work(),
      abort: (exitCode = 1) => process.exit(exitCode),
      async close() {
        await meet(rank, 'close', undefined);
      },
    };
  });
}

function openRound(kind: string, size: number): Round {
  let finish: Round['finish'] = () => {};
  const done = new Promise<void>((resolve, reject) => {
    finish = (error) => (error === undefined ? resolve() : reject(error));
  });
  return { kind, given: Array.from({ length: size }), done, finish, arrived: 0 };
}

/** The memory of an array as bytes. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
