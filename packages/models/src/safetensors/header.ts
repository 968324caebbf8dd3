/** The header of a safetensors file, with all checks that the format requires of a reader. */
import { DmError, type DmErrorOptions } from '@dm/ops';
import { storedTypes, unreadTypes } from './dtypes.js';

/**
 * - `SAFETENSORS_INVALID`: the file, or the index of a sharded file, violates the format (the default).
 * - `SAFETENSORS_TRUNCATED`: the file ends before the end of its header or data.
 * - `SAFETENSORS_UNSUPPORTED`: the format has the dtype, but this reader does not support it.
 * - `SAFETENSORS_SHARD_MISSING`: a file that the index refers to is missing.
 */
export type SafetensorsErrorCode =
  'SAFETENSORS_INVALID' | 'SAFETENSORS_TRUNCATED' | 'SAFETENSORS_UNSUPPORTED' | 'SAFETENSORS_SHARD_MISSING';

/** An invalid or unsupported safetensors file. The message names the tensor or the part of the header. */
export class SafetensorsError extends DmError<SafetensorsErrorCode> {
  override readonly name = 'SafetensorsError';

  constructor(message: string, options: DmErrorOptions<SafetensorsErrorCode> = {}) {
    super(message, { code: 'SAFETENSORS_INVALID', ...options });
  }
}

/** The header's entry for one tensor. `begin` and `end` are byte offsets from the start of the data. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** Sorted by offset. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Offset of the data in the file, in bytes. */
  readonly dataStart: number;
}

/** Largest header in bytes, as in the reference library. */
export const headerLimit = 100_000_000n;

const metadataKey = '__metadata__';

/**
 * Parses and validates the header.
 * @throws {SafetensorsError} if it is invalid
 */
export function parseHeader(bytes: Uint8Array): Header {
  const { text, dataStart } = headerText(bytes);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new SafetensorsError(`the header is not valid JSON: ${(error as Error).message}`);
  }
  refuseDuplicateKeysAndDepth(text);

  const { [metadataKey]: metadata, ...tensors } = json as Record<string, unknown>;
  const entries = Object.entries(tensors)
    .map(([name, value]) => parseEntry(name, value))
    .toSorted((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(entries, bytes.length - dataStart);
  return { entries, metadata: parseMetadata(metadata), dataStart };
}

function headerText(bytes: Uint8Array): { text: string; dataStart: number } {
  if (bytes.length < 8) {
    throw new SafetensorsError(`the file has ${bytes.length} bytes, fewer than the 8 of the header's length`, {
      code: 'SAFETENSORS_TRUNCATED',
    });
  }
  // A BigInt, because a malicious length may exceed the range of safe integers.
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > headerLimit) {
    throw new SafetensorsError(`the header length must be at most ${headerLimit} bytes, got ${length}`);
  }
  const dataStart = 8 + Number(length);
  if (dataStart > bytes.length) {
    throw new SafetensorsError(
      `the header length is ${length} bytes, but only ${bytes.length - 8} follow: the file is cut short`,
      { code: 'SAFETENSORS_TRUNCATED' },
    );
  }
  const header = bytes.subarray(8, dataStart);
  if (header[0] !== 0x7b) throw new SafetensorsError('the header must start with "{"');
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header), dataStart };
  } catch {
    throw new SafetensorsError('the header is not valid UTF-8');
  }
}

/** Largest nesting depth of the header. Valid headers need 3; formatting a very deep value could overflow the stack. */
const maxDepth = 16;

/** Refuses duplicate keys, which `JSON.parse` accepts, and deep nesting. `text` is valid JSON. */
function refuseDuplicateKeysAndDepth(text: string): void {
  const colon = /\s*:/y;
  const open: (Set<string> | undefined)[] = []; // keys of the enclosing objects; undefined for an array
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '{') open.push(new Set());
    else if (c === '[') open.push(undefined);
    else if (c === '}' || c === ']') open.pop();
    if (open.length > maxDepth) throw new SafetensorsError(`the header is nested more than ${maxDepth} levels deep`);
    if (c === '"') {
      const start = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
      const keys = open.at(-1);
      colon.lastIndex = i + 1;
      if (keys === undefined || !colon.test(text)) continue;
      const key = JSON.parse(text.slice(start, i + 1)) as string;
      if (keys.has(key)) throw new SafetensorsError(`duplicate key ${JSON.stringify(key)} in the header`);
      keys.add(key);
    }
  }
}

function parseEntry(name: string, value: unknown): TensorEntry {
  const fail = (what: string, options?: DmErrorOptions<SafetensorsErrorCode>) =>
    new SafetensorsError(`tensor ${JSON.stringify(name)}: ${what}`, options);
  // Assigning to this key of an object would set its prototype.
  if (name === '__proto__') throw fail('this name is not allowed');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fail('its header entry must be an object with dtype, shape and data_offsets');
  }
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
  if (typeof dtype === 'string' && unreadTypes.includes(dtype)) {
    throw fail(`unsupported dtype ${dtype}; the supported dtypes are ${Object.keys(storedTypes).join(', ')}`, {
      code: 'SAFETENSORS_UNSUPPORTED',
    });
  }
  if (typeof dtype !== 'string' || !Object.hasOwn(storedTypes, dtype)) {
    throw fail(
      `unknown dtype ${JSON.stringify(dtype)}; the supported dtypes are ${Object.keys(storedTypes).join(', ')}`,
    );
  }
  if (!isSizes(shape)) throw fail(`shape must be a list of integers >= 0, got ${JSON.stringify(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw fail(`data_offsets must be two integers >= 0, got ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) throw fail(`data_offsets must not decrease, got [${begin}, ${end}]`);

  let size = storedTypes[dtype]!.bytes;
  for (const d of shape) {
    size *= d;
    if (size > Number.MAX_SAFE_INTEGER) throw fail(`the size of the shape [${shape.join(', ')}] overflows`);
  }
  if (size !== end - begin) {
    throw fail(`${dtype} [${shape.join(', ')}] requires ${size} bytes, but data_offsets span ${end - begin}`);
  }
  return { name, dtype, shape, begin, end };
}

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((d) => Number.isSafeInteger(d) && (d as number) >= 0);

/** Checks that each byte of the data belongs to exactly one tensor. */
function checkCoverage(entries: readonly TensorEntry[], length: number): void {
  let at = 0;
  for (const { name, begin, end } of entries) {
    const tensor = `tensor ${JSON.stringify(name)}`;
    if (begin < at)
      throw new SafetensorsError(`${tensor} begins at byte ${begin} of the data and overlaps another tensor`);
    if (begin > at) {
      throw new SafetensorsError(`bytes ${at} to ${begin} of the data, before ${tensor}, are not part of any tensor`);
    }
    if (end > length) {
      throw new SafetensorsError(
        `${tensor} ends at byte ${end} of the data, which has only ${length}: the file is cut short`,
        { code: 'SAFETENSORS_TRUNCATED' },
      );
    }
    at = end;
  }
  if (at < length) throw new SafetensorsError(`${length - at} unexpected bytes after the last tensor`);
}

function parseMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  const isText =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((v) => typeof v === 'string');
  if (!isText) throw new SafetensorsError(`${metadataKey} must map strings to strings`);
  if (Object.hasOwn(value, '__proto__')) throw new SafetensorsError(`${metadataKey} must not have the key "__proto__"`);
  return value as Record<string, string>;
}
