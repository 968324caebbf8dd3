/** Damaged files: a valid one, changed by fast-check as a disk, a network or an attacker would. */
import * as fc from 'fast-check';

/** A place in a file, modulo its length: anywhere, and often near its ends. */
const anywhere = fc.nat({ max: 2 ** 30 });
const place = fc.oneof(fc.noBias(anywhere), anywhere);
const byte = fc.nat({ max: 255 });
const size = fc.integer({ min: 1, max: 64 });

/** Numbers that lengths, counts and offsets go wrong at. */
const traps = fc.constantFrom(
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x100n,
  0x7fffn,
  0x8000n,
  0xffffn,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
);

const mutation = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: place, bit: fc.nat({ max: 7 }) }),
  fc.record({ kind: fc.constant('set' as const), at: place, byte }),
  fc.record({ kind: fc.constant('truncate' as const), at: place }),
  fc.record({ kind: fc.constant('insert' as const), at: place, bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }) }),
  fc.record({ kind: fc.constant('remove' as const), at: place, size }),
  fc.record({ kind: fc.constant('splice' as const), at: place, from: place, size }),
  fc.record({
    kind: fc.constant('number' as const),
    at: place,
    value: fc.oneof(traps, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
    bytes: fc.constantFrom(1, 2, 4, 8),
    littleEndian: fc.boolean(),
  }),
);

type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

/** One of `seeds` after one to six changes; spliced pieces come from any of them. */
export function mutated(seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const seed = fc.constantFrom(...seeds);
  // Often a single change: the first of several that is noticed hides the others.
  const changes = fc.oneof(
    mutation.map((one) => [one]),
    fc.array(mutation, { minLength: 1, maxLength: 6 }),
  );
  return fc
    .tuple(seed, seed, changes)
    .map(([file, other, mutations]) => mutations.reduce((bytes, one) => apply(bytes, one, other), file));
}

function apply(bytes: Uint8Array, change: Mutation, other: Uint8Array): Uint8Array {
  const at = change.at % (bytes.length + 1);
  const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
  switch (change.kind) {
    case 'truncate':
      return bytes.slice(0, at);
    case 'insert':
      return join(bytes.subarray(0, at), change.bytes, bytes.subarray(at));
    case 'remove':
      return join(bytes.subarray(0, at), bytes.subarray(at + change.size));
    case 'splice': {
      const from = change.from % (other.length + 1);
      return join(bytes.subarray(0, at), other.subarray(from, from + change.size), bytes.subarray(at));
    }
    default: {
      const copy = Uint8Array.from(bytes); // the slice of a Buffer would be the seed itself
      if (change.kind === 'flip') copy[at]! ^= 1 << change.bit;
      else if (change.kind === 'set') copy[at] = change.byte;
      else copy.set(encode(change.value, change.bytes, change.littleEndian).subarray(0, copy.length - at), at);
      return copy;
    }
  }
}

/** The lowest `count` bytes of a number. */
function encode(value: bigint, count: number, littleEndian: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, value, true);
  const bytes = new Uint8Array(view.buffer, 0, count);
  return littleEndian ? bytes : bytes.toReversed();
}
