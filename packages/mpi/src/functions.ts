/** The functions of an MPI library, with their handles filled in. */
import { MpiError } from './errors.js';
import type { LoadedLibrary } from './library.js';
import type { NumberArray } from './world.js';

/** A pending nonblocking call: the memory of its MPI_Request, of 4 or 8 bytes. */
export type Request = BigUint64Array;

export interface MpiFunctions {
  init(): void;
  finalize(): void;
  abort(exitCode: number): void;
  rank(): number;
  size(): number;
  /** Whether a request is done. Also makes progress with all pending calls. */
  test(request: Request): boolean;
  startBarrier(): Request;
  startReduce(op: 'sum' | 'max', array: NumberArray): Request;
  startBroadcast(bytes: Uint8Array, root: number): Request;
  /** Gathers `own` of every rank, all of the same length, into `all`. */
  startAllGather(own: Uint8Array, all: Uint8Array): Request;
  /** Like it, with lengths and offsets in bytes. */
  startAllGatherV(own: Uint8Array, all: Uint8Array, lengths: Int32Array, offsets: Int32Array): Request;
  startGatherV(own: Uint8Array, all: Uint8Array, lengths: Int32Array, offsets: Int32Array, root: number): Request;
  startSend(bytes: Uint8Array, to: number, tag: number): Request;
  /** Receives a message that has arrived; undefined if there is none. */
  receive(length: number, from: number, tag: number): Uint8Array | undefined;
}

/** Declares the functions of a library. */
export function mpiFunctions({ koffi, library, table, version }: LoadedLibrary): MpiFunctions {
  const { handle: H, world, types, ops, inPlace, statusIgnore } = table;
  const declare = (name: string, ...args: string[]) => {
    const native = library.func(`int ${name}(${args.join(', ')})`);
    return (...given: unknown[]): void => {
      const code = native(...given) as number;
      if (code !== 0) throw new MpiError('MPI_FAILED', `${name} returned error ${code} (${version})`);
    };
  };
  const P = 'void *';
  const [Init, Finalize] = [declare('MPI_Init', P, P), declare('MPI_Finalize')];
  const Abort = declare('MPI_Abort', H, 'int');
  const [CommRank, CommSize] = [declare('MPI_Comm_rank', H, P), declare('MPI_Comm_size', H, P)];
  const Test = declare('MPI_Test', P, P, P);
  const Ibarrier = declare('MPI_Ibarrier', H, P);
  const Iallreduce = declare('MPI_Iallreduce', P, P, 'int', H, H, H, P);
  const Ibcast = declare('MPI_Ibcast', P, 'int', H, 'int', H, P);
  const Iallgather = declare('MPI_Iallgather', P, 'int', H, P, 'int', H, H, P);
  const Iallgatherv = declare('MPI_Iallgatherv', P, 'int', H, P, P, P, H, H, P);
  const Igatherv = declare('MPI_Igatherv', P, 'int', H, P, P, P, H, 'int', H, P);
  const Isend = declare('MPI_Isend', P, 'int', H, 'int', 'int', H, P);
  const Iprobe = declare('MPI_Iprobe', 'int', 'int', H, P, P);
  const Recv = declare('MPI_Recv', P, 'int', H, 'int', 'int', H, P);

  // By address, so that arrays in shared memory are accepted too.
  const at = (array: ArrayBufferView): bigint => (array.byteLength === 0 ? 0n : koffi.address(array));
  const typeOf = (array: NumberArray) => {
    if (array instanceof Float32Array) return types.float;
    return array instanceof Float64Array ? types.double : types.int32;
  };
  const started = (start: (request: Request) => void): Request => {
    const request = new BigUint64Array(1);
    start(request);
    return request;
  };
  const flag = new Int32Array(1);
  const numberFrom = (get: (...args: unknown[]) => void): number => {
    get(world, flag);
    return flag[0]!;
  };
  return {
    init: () => Init(null, null),
    finalize: () => Finalize(),
    abort: (exitCode) => Abort(world, exitCode),
    rank: () => numberFrom(CommRank),
    size: () => numberFrom(CommSize),
    test(request) {
      Test(request, flag, statusIgnore);
      return flag[0] !== 0;
    },
    startBarrier: () => started((request) => Ibarrier(world, request)),
    startReduce: (op, array) =>
      started((request) => Iallreduce(inPlace, at(array), array.length, typeOf(array), ops[op], world, request)),
    startBroadcast: (bytes, root) =>
      started((request) => Ibcast(at(bytes), bytes.length, types.byte, root, world, request)),
    startAllGather: (own, all) =>
      started((request) =>
        Iallgather(at(own), own.length, types.byte, at(all), own.length, types.byte, world, request),
      ),
    startAllGatherV: (own, all, lengths, offsets) =>
      started((request) =>
        Iallgatherv(at(own), own.length, types.byte, at(all), at(lengths), at(offsets), types.byte, world, request),
      ),
    startGatherV: (own, all, lengths, offsets, root) =>
      started((request) =>
        Igatherv(at(own), own.length, types.byte, at(all), at(lengths), at(offsets), types.byte, root, world, request),
      ),
    startSend: (bytes, to, tag) =>
      started((request) => Isend(at(bytes), bytes.length, types.byte, to, tag, world, request)),
    receive(length, from, tag) {
      Iprobe(from, tag, world, flag, statusIgnore);
      if (flag[0] === 0) return undefined;
      const bytes = new Uint8Array(length);
      Recv(at(bytes), length, types.byte, from, tag, world, statusIgnore);
      return bytes;
    },
  };
}
