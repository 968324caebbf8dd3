/** Reading untrusted JSON: nesting and size are limited, and errors name file and line. */
import { FileError } from './errors.js';
import { parseJson } from './parse-json.js';
import { readChunks, readTextFile, type OpenOptions } from './read.js';

/** Default maximum size of a JSON Lines file: 256 MiB. */
const defaultFileBytes = 2 ** 28;
/** Maximum length of a line: 1 MiB. */
const maxLineBytes = 2 ** 20;

const chunkBytes = 2 ** 16;
const newline = 0x0a;

/**
 * Reads and parses a regular JSON file of at most `maxBytes` (default 64 MiB).
 *
 * @throws {FileError} as `readTextFile` and `parseJson` do
 */
export function readJsonFile(path: string, options?: OpenOptions): unknown {
  return parseJson(readTextFile(path, options), path);
}

/** A value and its line number, from 1. */
export interface JsonLine {
  readonly line: number;
  readonly value: unknown;
}

/**
 * Reads a JSON Lines file, one value at a time, with only one line in memory. A last line without a newline, as left by
 * a killed writer, is ignored.
 *
 * @throws {FileError} if the file cannot be read, is larger than `maxBytes` (256 MiB by default), has a line longer
 * than 1 MiB, or a line that is not UTF-8 or not JSON; the message names the line
 */
export function* readJsonLines(
  path: string,
  { maxBytes = defaultFileBytes, ...options }: OpenOptions = {},
): Generator<JsonLine, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let line = 1;
  for (const chunk of readChunks(path, { maxBytes, ...options, chunkBytes })) {
    let from = 0;
    for (let to = chunk.indexOf(newline); to !== -1; to = chunk.indexOf(newline, from)) {
      const bytes = Buffer.concat([...pending, chunk.subarray(from, to)]);
      pending = [];
      pendingBytes = 0;
      from = to + 1;
      checkLength(path, line, bytes.length);
      yield { line, value: parseJson(decoded(decoder, bytes, path, line), `${path}, line ${line}`) };
      line++;
    }
    pendingBytes += chunk.length - from;
    checkLength(path, line, pendingBytes);
    pending.push(Buffer.from(chunk.subarray(from)));
  }
}

function checkLength(path: string, line: number, bytes: number): void {
  if (bytes <= maxLineBytes) return;
  throw new FileError(path, `has a line ${line} of more than ${maxLineBytes} bytes.`, { code: 'FILE_INVALID' });
}

function decoded(decoder: InstanceType<typeof TextDecoder>, bytes: Buffer, path: string, line: number): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new FileError(`${path}, line ${line}`, 'is not UTF-8.', { code: 'FILE_INVALID', cause: error });
  }
}
