/** A world over an MPI library. */
import { hostname } from 'node:os';
import { setImmediate as eventLoopTurn, setTimeout as delay } from 'node:timers/promises';
import { MpiError } from './errors.js';
import { finalize } from './finalize.js';
import type { MpiFunctions, Request } from './functions.js';
import { bytesOf } from './local-worlds.js';
import { Watchdog } from './watchdog.js';
import type { NumberArray, World } from './world.js';

export interface MpiWorldOptions {
  readonly mpi: MpiFunctions;
  /** Name and version of the library. */
  readonly library: string;
  readonly stallSeconds: number;
  readonly onStalled: (error: MpiError) => void;
}

/** Elements per call of a sum or maximum: bounds the library's temporary memory. */
const maxElements = 2 ** 22;

/** Bytes per call of a broadcast: counts are of type int in C. */
const maxBroadcast = 2 ** 26;

/** Arrays of at most this many bytes are gathered in one call, with their lengths in front. */
const maxInline = 1020;
const header = 4;

/** The largest length that a header can state, and the largest number that MPI can count to (a C int). */
const [maxLength, maxTotal] = [2 ** 32 - 1, 2 ** 31 - 1];

/** Polls without a pause for this long: the other ranks of a step are rarely further behind. */
const spinMs = 2;
/** Plus the time that data takes at this rate, in bytes per millisecond, since a pause would delay its next part. */
const spinRate = 100_000;

/** Pause before all processes are ended: MPICH's launcher drops what it has not read yet of their outputs. */
const lastWordsMs = 300;

/** Opens the world of an initialized library. */
export async function openMpiWorld(options: MpiWorldOptions): Promise<World> {
  const world = new MpiWorld(options);
  await world.findHosts();
  return world;
}

class MpiWorld implements World {
  readonly rank: number;
  readonly size: number;
  readonly library: string;
  hosts: readonly string[] = [];
  private readonly mpi: MpiFunctions;
  private readonly watchdog: Watchdog;
  private pending: string | undefined;
  private isClosed = false;
  /** Calls of `busy` that are pending. */
  private busyDepth = 0;
  private activity = 'its start';

  constructor({ mpi, library, stallSeconds, onStalled }: MpiWorldOptions) {
    this.mpi = mpi;
    this.library = library;
    this.rank = mpi.rank();
    this.size = mpi.size();
    this.watchdog = new Watchdog({
      mpi,
      rank: this.rank,
      size: this.size,
      seconds: stallSeconds,
      onLost: (ranks) => onStalled(this.stalled(ranks, stallSeconds)),
    });
    process.once('exit', this.abortAtExit);
  }

  get localRank(): number {
    return this.hosts.slice(0, this.rank).filter((host) => host === this.hosts[this.rank]).length;
  }

  get localSize(): number {
    return this.hosts.filter((host) => host === this.hosts[this.rank]).length;
  }

  async findHosts(): Promise<void> {
    const names = await this.gather(new TextEncoder().encode(hostname()));
    this.hosts = names.map((name) => new TextDecoder().decode(name));
  }

  sum(array: NumberArray): Promise<void> {
    return this.reduce('sum', array);
  }

  max(array: NumberArray): Promise<void> {
    return this.reduce('max', array);
  }

  async gather(bytes: Uint8Array, { to }: { readonly to?: number } = {}): Promise<Uint8Array[]> {
    return this.exclusively('gather', async () => {
      const { rank, size, mpi } = this;
      const own = new Uint8Array(header + maxInline);
      new DataView(own.buffer).setUint32(0, Math.min(bytes.length, maxLength), true);
      if (bytes.length <= maxInline) own.set(bytes, header);
      const all = new Uint8Array(own.length * size);
      await this.finished(mpi.startAllGather(own, all), all.length);
      const counts = Array.from({ length: size }, (_, i) => new DataView(all.buffer).getUint32(i * own.length, true));
      const isReceiver = to === undefined || to === rank;
      if (counts.every((count) => count <= maxInline)) {
        if (!isReceiver) return [];
        return counts.map((count, i) => all.slice(i * own.length + header).subarray(0, count));
      }
      const total = counts.reduce((sum, count) => sum + count, 0);
      if (total > maxTotal) {
        throw new RangeError(`gather: at least ${total} bytes from all ranks, but MPI counts up to ${maxTotal}`);
      }
      const lengths = Int32Array.from(counts);
      const offsets = lengths.map((_, i) => lengths.subarray(0, i).reduce((sum, length) => sum + length, 0));
      const data = new Uint8Array(isReceiver ? total : 0);
      const request =
        to === undefined
          ? mpi.startAllGatherV(bytes, data, lengths, offsets)
          : mpi.startGatherV(bytes, data, lengths, offsets, to);
      await this.finished(request, total);
      return isReceiver ? Array.from(lengths, (length, i) => data.slice(offsets[i], offsets[i]! + length)) : [];
    });
  }

  broadcast(array: ArrayBufferView, root = 0): Promise<void> {
    return this.exclusively('broadcast', async () => {
      const bytes = bytesOf(array);
      for (let begin = 0; begin < bytes.length; begin += maxBroadcast) {
        const part = bytes.subarray(begin, begin + maxBroadcast);
        await this.finished(this.mpi.startBroadcast(part, root), part.length);
      }
    });
  }

  barrier(): Promise<void> {
    return this.exclusively('barrier', () => this.finished(this.mpi.startBarrier()));
  }

  describe(activity: string): void {
    this.activity = activity;
  }

  async busy<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.busyDepth++ === 0) this.watchdog.working(true);
    try {
      return await work();
    } finally {
      if (--this.busyDepth === 0 && !this.isClosed) this.watchdog.working(false);
    }
  }

  abort(exitCode = 1): never {
    process.off('exit', this.abortAtExit);
    if (!this.isClosed) this.abortAll(exitCode);
    process.exit(exitCode);
  }

  async close(): Promise<void> {
    // Twice: a rank may have been asked before it arrived at the first one.
    for (let i = 0; i < 2; i++) {
      await this.barrier();
      this.watchdog.serve();
    }
    await this.barrier();
    this.isClosed = true;
    this.watchdog.stop();
    process.off('exit', this.abortAtExit);
    finalize({ mpi: this.mpi, library: this.library, hosts: this.hosts });
  }

  /** A process that ends without `close` would leave the others waiting: not all launchers end them. */
  private readonly abortAtExit = (exitCode: number): void => this.abortAll(exitCode === 0 ? 1 : exitCode);

  private abortAll(exitCode: number): void {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lastWordsMs);
    this.mpi.abort(exitCode);
  }

  private reduce(op: 'sum' | 'max', array: NumberArray): Promise<void> {
    return this.exclusively(op, async () => {
      for (let begin = 0; begin < array.length; begin += maxElements) {
        const part = array.subarray(begin, begin + maxElements);
        await this.finished(this.mpi.startReduce(op, part), part.byteLength);
      }
    });
  }

  private async exclusively<T>(name: string, body: () => Promise<T>): Promise<T> {
    if (this.isClosed) throw new MpiError('MPI_CLOSED', `${name} was called after the world was closed`);
    if (this.pending !== undefined) {
      throw new MpiError('MPI_BUSY', `${name} was called while ${this.pending} is pending: await it first`);
    }
    this.pending = name;
    this.watchdog.waiting(true);
    try {
      return await body();
    } finally {
      this.pending = undefined;
      this.watchdog.waiting(false);
    }
  }

  /** Waits for a call that moves `bytes`, with pauses that grow to 5 ms. Its memory must be referenced meanwhile. */
  private async finished(request: Request, bytes = 0): Promise<void> {
    const { mpi } = this;
    const began = performance.now();
    for (;;) {
      if (mpi.test(request)) return;
      const waited = performance.now() - began;
      if (waited < spinMs + bytes / spinRate) await eventLoopTurn();
      else await delay(waited < 1000 ? 1 : 5);
    }
  }

  private stalled(ranks: readonly number[], seconds: number): MpiError {
    const names = ranks.map((rank) => `${rank} on ${this.hosts[rank] ?? 'an unknown host'}`);
    return new MpiError(
      'MPI_STALLED',
      `At ${this.activity}, rank ${this.rank} waited in ${this.pending ?? 'a call'} for rank ${names.join(', rank ')}, which ` +
        `did not answer for ${seconds} seconds: its process has ended or been stopped, or the network is down.`,
    );
  }
}
