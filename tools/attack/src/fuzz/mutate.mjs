// Damaged files: valid ones with changes as by a faulty disk, a network, or an attacker.
/** @import { Random } from '../random.mjs' */

/** Longer inputs would only take more time; length fields are attacked by changing numbers. */
const maxBytes = 2 ** 14;

/** Boundary values for lengths, counts, and offsets. */
const traps = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  2n ** 24n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 64n - 1n,
];

/** Difficult tokens for parsers of text formats. */
const words = [
  'null',
  'true',
  '-1',
  '0',
  '1e999',
  '-0',
  '1e308',
  '9007199254740993',
  '4294967296',
  '99999999999999999999',
  'NaN',
  '{}',
  '[]',
  '""',
  '"__proto__"',
  '"constructor"',
  '"\\u0000"',
  '"\\u001b[2J"',
  '\u202e',
  '../../x',
  '/',
  '\n',
  '*a',
  '&a',
  '!!js/function',
];

/** @typedef {(bytes: Buffer, random: Random, other: Buffer) => Buffer} Mutation */

/** @type {readonly Mutation[]} */
const mutations = [
  function flip(bytes, random) {
    const copy = Buffer.from(bytes);
    const at = place(random, copy.length);
    if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
    return copy;
  },
  function set(bytes, random) {
    const copy = Buffer.from(bytes);
    const at = place(random, copy.length);
    if (at < copy.length) copy[at] = random.pick([0, 0xff, 0x7f, 0x80, random.below(256)]);
    return copy;
  },
  function truncate(bytes, random) {
    return bytes.subarray(0, place(random, bytes.length));
  },
  function insert(bytes, random) {
    const at = place(random, bytes.length);
    const noise = Buffer.from(Array.from({ length: 1 + random.below(32) }, () => random.below(256)));
    return Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]);
  },
  function remove(bytes, random) {
    const at = place(random, bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(64))]);
  },
  function splice(bytes, random, other) {
    const [at, from] = [place(random, bytes.length), place(random, other.length)];
    const piece = other.subarray(from, from + 1 + random.below(128));
    const rest = bytes.subarray(random.chance(0.5) ? at : at + piece.length);
    return Buffer.concat([bytes.subarray(0, at), piece, rest]);
  },
  function repeat(bytes, random) {
    const at = place(random, bytes.length);
    const block = bytes.subarray(at, at + 1 + random.below(64));
    const copies = Array.from({ length: 2 ** (1 + random.below(7)) }, () => block);
    return Buffer.concat([bytes.subarray(0, at), ...copies, bytes.subarray(at)]);
  },
  function number(bytes, random) {
    const copy = Buffer.from(bytes);
    const at = place(random, copy.length);
    const value = random.chance(0.7) ? random.pick(traps) : BigInt(random.u32()) * BigInt(random.u32());
    encode(value, random.pick([1, 2, 4, 8]), random.chance(0.5)).copy(copy, at);
    return copy;
  },
  function word(bytes, random) {
    const text = bytes.toString('latin1');
    const matches = [...text.matchAll(/-?\d+(\.\d+)?|"[^"]*"|\w+/g)];
    if (matches.length === 0) return bytes;
    const { index, 0: found } = random.pick(matches);
    const other = random.chance(0.8) ? random.pick(words) : random.pick(matches)[0];
    return Buffer.from(text.slice(0, index) + other + text.slice(index + found.length), 'latin1');
  },
];

/**
 * One of `seeds` with one to six changes; spliced pieces come from any of them.
 *
 * @param {Random} random
 * @param {readonly Uint8Array[]} seeds
 */
export function mutated(random, seeds) {
  let bytes = Buffer.from(random.pick(seeds));
  // Often a single change, since a reader stops at the first error it detects.
  const changes = random.chance(0.5) ? 1 : 1 + random.below(6);
  for (let i = 0; i < changes; i++) {
    bytes = Buffer.from(random.pick(mutations)(bytes, random, Buffer.from(random.pick(seeds))));
  }
  return bytes.subarray(0, maxBytes);
}

/**
 * JSON of one of `values` with one to four of its fields, at any depth, replaced, removed, added, or nested.
 *
 * @param {Random} random
 * @param {readonly unknown[]} values
 */
export function mutatedJson(random, values) {
  // JSON.parse creates `__proto__` as an ordinary field; assignment would set the prototype.
  let text = JSON.stringify(random.pick(values));
  const changes = random.chance(0.5) ? 1 : 1 + random.below(4);
  for (let i = 0; i < changes; i++) text = changedJson(random, text);
  return text;
}

/** @param {Random} random @param {string} text */
function changedJson(random, text) {
  const root = { root: JSON.parse(text) };
  /** @type {any} */
  let holder = root;
  let key = 'root';
  while (isObject(holder[key]) && Object.keys(holder[key]).length > 0 && random.chance(0.8)) {
    holder = holder[key];
    key = random.pick(Object.keys(holder));
  }
  const define = (/** @type {string} */ name, /** @type {unknown} */ value) =>
    Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
  switch (random.below(6)) {
    case 0:
      delete holder[key];
      break;
    case 1:
      define(random.pick(['__proto__', 'constructor', 'toString', 'type', 'name', 'x', '0', '']), jsonValue(random));
      break;
    default:
      define(key, jsonValue(random, holder[key]));
  }
  return JSON.stringify(root.root) ?? 'null';
}

/** @param {Random} random @param {unknown} [old] @returns {unknown} */
function jsonValue(random, old) {
  switch (random.below(8)) {
    case 0:
      return random.pick([
        null,
        true,
        false,
        {},
        [],
        '',
        'x',
        '__proto__',
        '\u001b]0;x\u0007',
        '\u202e',
        'x'.repeat(999),
      ]);
    case 1:
      return [old];
    case 2:
      return { type: old };
    case 3:
      return Array.from({ length: random.pick([2, 100]) }, () => old ?? 0);
    case 4:
      return nested(random.pick([3, 50, 500]));
    case 5:
      return JSON.stringify(old) ?? '';
    default:
      return random.pick([
        0,
        -1,
        1,
        0.5,
        2,
        3,
        1e9,
        1e15,
        2 ** 31,
        2 ** 32,
        2 ** 53,
        1e300,
        -1e300,
        5e-324,
        random.u32(),
      ]);
  }
}

/** @param {number} depth */
function nested(depth) {
  /** @type {unknown} */
  let value = 0;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { x: value };
  return value;
}

/** @param {unknown} value */
const isObject = (value) => typeof value === 'object' && value !== null;

/** A random offset in a file, often near its start or end. @param {Random} random @param {number} length */
function place(random, length) {
  switch (random.below(4)) {
    case 0:
      return random.below(Math.min(length, 32) + 1);
    case 1:
      return length - random.below(Math.min(length, 64) + 1);
    default:
      return random.below(length + 1);
  }
}

/** The lowest `count` bytes of a number. @param {bigint} value @param {number} count @param {boolean} littleEndian */
function encode(value, count, littleEndian) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  const low = bytes.subarray(0, count);
  return littleEndian ? low : Buffer.from(low.toReversed());
}
