/** What comes of reading: a digest of the value, or the message of the reader's own error. */
import { createHash, type Hash } from 'node:crypto';
import type { Reader } from './readers.js';

export interface Outcome {
  readonly read: boolean;
  /** SHA-256 of the value, or the error's message. */
  readonly text: string;
}

/** Bytes around the input; whoever reads past its end gets these. */
const MARGIN = 256;
const FILLERS = [0x00, 0xff] as const;

/**
 * Reads an input. Throws an Error where the reader throws another class of error than its own, changes the input, or
 * gives another result when other bytes lie around the input in memory: then it read past its end.
 */
export async function outcomeOf(reader: Reader, input: Uint8Array): Promise<Outcome> {
  if (!reader.inMemory) return attempt(reader, input);
  const [one, other] = [await attemptAmid(reader, input, FILLERS[0]), await attemptAmid(reader, input, FILLERS[1])];
  if (one.text !== other.text) {
    throw new Error(
      `${reader.name} read past the end: "${one.text}" or "${other.text}", by what lies around the input.`,
    );
  }
  return one;
}

async function attemptAmid(reader: Reader, input: Uint8Array, filler: number): Promise<Outcome> {
  const memory = new Uint8Array(input.length + 2 * MARGIN).fill(filler);
  memory.set(input, MARGIN);
  const outcome = await attempt(reader, memory.subarray(MARGIN, MARGIN + input.length));
  const isSame = memory.every((byte, i) => byte === (i < MARGIN ? filler : (input[i - MARGIN] ?? filler)));
  if (!isSame) throw new Error(`${reader.name} changed its input.`);
  return outcome;
}

async function attempt(reader: Reader, bytes: Uint8Array): Promise<Outcome> {
  try {
    const hash = createHash('sha256');
    digest(await reader.read(bytes), hash);
    return { read: true, text: hash.digest('hex') };
  } catch (error) {
    if (!(error instanceof reader.error)) {
      const kind = error instanceof Error ? `${error.constructor.name}: ${error.stack}` : String(error);
      throw new Error(`${reader.name} threw ${kind}, which is not its ${reader.error.name}.`, { cause: error });
    }
    return { read: false, text: error.message };
  }
}

function digest(value: unknown, hash: Hash): void {
  if (ArrayBuffer.isView(value)) {
    hash.update(value.constructor.name);
    hash.update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      hash.update(`${key}:`);
      digest(inner, hash);
    }
  } else hash.update(String(value));
}
