/**
 * Encodes a WebAssembly module with one function and one shared memory. Opcodes and sections are from chapter 5 of the
 * WebAssembly Core Specification 2.0 (https://www.w3.org/TR/wasm-core-2/), the limits of a shared memory from the
 * threads proposal (https://github.com/WebAssembly/threads).
 */

export type Code = readonly number[];

export type ValueType = 'i32' | 'f32' | 'v128';

const types: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, v128: 0x7b };

/** The maximum size of a memory: 2^16 pages. */
export const MAX_PAGES = 2 ** 16;

/** Unsigned LEB128: a number below 2^32 in groups of seven bits, lowest first. */
function unsigned(value: number): number[] {
  const bytes = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}

const list = (items: readonly Code[]): number[] => [...unsigned(items.length), ...items.flat()];
const text = (value: string): number[] => list([...new TextEncoder().encode(value)].map((byte) => [byte]));
const section = (id: number, content: Code): number[] => [id, ...unsigned(content.length), ...content];
const vector = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];

/** Instructions. `lanes` are float32x4 instructions. */
export const code = {
  get: (local: number): Code => [0x20, ...unsigned(local)],
  set: (local: number): Code => [0x21, ...unsigned(local)],
  f32: (value: number): Code => [0x43, ...new Uint8Array(new Float32Array([value]).buffer)],
  addI32: [0x6a] as Code,
  /** Adds `step`, at most 63, to a local, and tests whether it is still less than another local. */
  upTo: (local: number, step: number, end: number): Code => [
    ...code.get(local),
    0x41,
    step,
    ...code.addI32,
    0x22, // local.tee: sets it and leaves it on the stack
    ...unsigned(local),
    ...code.get(end),
    0x49,
  ],
  /** Repeats `body` while it leaves a nonzero number. */
  loop: (body: Code): Code => [0x03, 0x40, ...body, 0x0d, 0, 0x0b],
  /** Expects an address, a multiple of 16, on the stack. */
  load: [...vector(0x00), 4, 0] as Code,
  /** Expects an address and a value on the stack. */
  store: [...vector(0x0b), 4, 0] as Code,
  splat: vector(0x13) as Code,
  and: vector(0x4e) as Code,
  lanes: {
    below: vector(0x43),
    above: vector(0x44),
    abs: vector(0xe0),
    neg: vector(0xe1),
    sqrt: vector(0xe3),
    add: vector(0xe4),
    sub: vector(0xe5),
    mul: vector(0xe6),
    div: vector(0xe7),
    min: vector(0xe8),
    max: vector(0xe9),
  },
} as const;

/** `\0asm` and the format version. */
const preamble = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/**
 * A module that imports the memory `state.memory` and exports `update(...params)`, with `locals` after its parameters.
 */
export function wasmModule(params: readonly ValueType[], locals: readonly ValueType[], body: Code): Uint8Array {
  const shared = 0x03;
  const memory = [...text('state'), ...text('memory'), 0x02, shared, ...unsigned(0), ...unsigned(MAX_PAGES)];
  const content = [...list(locals.map((type) => [1, types[type]])), ...body, 0x0b];
  return Uint8Array.from([
    ...preamble,
    ...section(1, list([[0x60, ...list(params.map((type) => [types[type]])), ...list([])]])),
    ...section(2, list([memory])),
    ...section(3, list([[0]])),
    ...section(7, list([[...text('update'), 0x00, 0]])),
    ...section(10, list([[...unsigned(content.length), ...content]])),
  ]);
}
