/** The header of a safetensors file, with everything that the format says a reader must refuse. */
import { DmError, type DmErrorOptions } from '@dm/ops';
import { storedTypes, unreadTypes } from './dtypes.js';

/**
 * - `SAFETENSORS_INVALID`: against the rules of the format, or of the index of several files (the default).
 * - `SAFETENSORS_TRUNCATED`: the file ends before its header or its data do.
 * - `SAFETENSORS_UNSUPPORTED`: a dtype of the format that is not read here.
 * - `SAFETENSORS_SHARD_MISSING`: a file that the index names is not there.
 */
export type SafetensorsErrorCode =
  'SAFETENSORS_INVALID' | 'SAFETENSORS_TRUNCATED' | 'SAFETENSORS_UNSUPPORTED' | 'SAFETENSORS_SHARD_MISSING';

/** A safetensors file that must not be read; the message says what is wrong with it. */
export class SafetensorsError extends DmError<SafetensorsErrorCode> {
  override readonly name = 'SafetensorsError';

  constructor(message: string, options: DmErrorOptions<SafetensorsErrorCode> = {}) {
    super(message, { code: 'SAFETENSORS_INVALID', ...options });
  }
}

/** One tensor as the header describes it; `begin` and `end` count bytes from the start of the data. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In the order of their data. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** First byte of the data. */
  readonly dataStart: number;
}

/** The reference's limit on the bytes of the header. */
const headerLimit = 100_000_000n;

const metadataKey = '__metadata__';

/**
 * Reads and checks the header.
 * @throws {SafetensorsError} if it is malformed
 */
export function parseHeader(bytes: Uint8Array): Header {
  const { text, dataStart } = headerText(bytes);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new SafetensorsError(`the header is not JSON: ${(error as Error).message}`);
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
    throw new SafetensorsError(`the file has ${bytes.length} bytes; the length of the header alone takes 8`, {
      code: 'SAFETENSORS_TRUNCATED',
    });
  }
  // As BigInt: a hostile length does not fit a number, and rounded it could pass for another.
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > headerLimit) {
    throw new SafetensorsError(`the header would be ${length} bytes long; at most ${headerLimit} are allowed`);
  }
  const dataStart = 8 + Number(length);
  if (dataStart > bytes.length) {
    throw new SafetensorsError(
      `the header would be ${length} bytes long, but only ${bytes.length - 8} follow: the file is cut short`,
      { code: 'SAFETENSORS_TRUNCATED' },
    );
  }
  const header = bytes.subarray(8, dataStart);
  if (header[0] !== 0x7b) throw new SafetensorsError('the header does not start with "{"');
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header), dataStart };
  } catch {
    throw new SafetensorsError('the header is not UTF-8');
  }
}

/** Levels of a header that are accepted: it needs three, and whoever prints a deeper value could exhaust the stack. */
const maxDepth = 16;

/** `JSON.parse` keeps the last of equal keys in silence. `text` is valid JSON. */
function refuseDuplicateKeysAndDepth(text: string): void {
  const colon = /\s*:/y;
  const open: (Set<string> | undefined)[] = []; // keys of the objects around; undefined for a list
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
      if (keys.has(key)) throw new SafetensorsError(`the header has the key ${JSON.stringify(key)} twice`);
      keys.add(key);
    }
  }
}

function parseEntry(name: string, value: unknown): TensorEntry {
  const fail = (what: string, options?: DmErrorOptions<SafetensorsErrorCode>) =>
    new SafetensorsError(`tensor ${JSON.stringify(name)}: ${what}`, options);
  // As a name it would be a trap for whoever keeps the tensors in an object.
  if (name === '__proto__') throw fail('this name is not allowed');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fail('its description is not an object with dtype, shape and data_offsets');
  }
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
  if (typeof dtype === 'string' && unreadTypes.includes(dtype)) {
    throw fail(`its dtype ${dtype} cannot be read here; ${Object.keys(storedTypes).join(', ')} can`, {
      code: 'SAFETENSORS_UNSUPPORTED',
    });
  }
  if (typeof dtype !== 'string' || !Object.hasOwn(storedTypes, dtype)) {
    throw fail(
      `unknown dtype ${JSON.stringify(dtype)}; those that can be read are ${Object.keys(storedTypes).join(', ')}`,
    );
  }
  if (!isSizes(shape)) throw fail(`its shape ${JSON.stringify(shape)} is not a list of integers of at least 0`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw fail(`its data_offsets ${JSON.stringify(offsets)} are not two integers of at least 0`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) throw fail(`its data would begin at ${begin}, after their end at ${end}`);

  let size = storedTypes[dtype]!.bytes;
  for (const d of shape) {
    size *= d;
    if (size > Number.MAX_SAFE_INTEGER) throw fail(`the size of its shape [${shape.join(', ')}] overflows`);
  }
  if (size !== end - begin) {
    throw fail(`${dtype} [${shape.join(', ')}] takes ${size} bytes, but its data_offsets span ${end - begin}`);
  }
  return { name, dtype, shape, begin, end };
}

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((d) => Number.isSafeInteger(d) && (d as number) >= 0);

/** Every byte of the data belongs to exactly one tensor. */
function checkCoverage(entries: readonly TensorEntry[], length: number): void {
  let at = 0;
  for (const { name, begin, end } of entries) {
    const tensor = `tensor ${JSON.stringify(name)}`;
    if (begin < at) throw new SafetensorsError(`${tensor} begins at byte ${begin} of the data and overlaps another`);
    if (begin > at)
      throw new SafetensorsError(`bytes ${at} to ${begin} of the data, before ${tensor}, belong to no tensor`);
    if (end > length) {
      throw new SafetensorsError(
        `${tensor} ends at byte ${end} of the data, but there are only ${length}: the file is cut short`,
        { code: 'SAFETENSORS_TRUNCATED' },
      );
    }
    at = end;
  }
  if (at < length) throw new SafetensorsError(`${length - at} bytes follow the last tensor and belong to none`);
}

function parseMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  const isText =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((v) => typeof v === 'string');
  if (!isText) throw new SafetensorsError(`${metadataKey} must map strings to strings`);
  if (Object.hasOwn(value, '__proto__')) throw new SafetensorsError(`${metadataKey} has the key "__proto__"`);
  return value as Record<string, string>;
}
