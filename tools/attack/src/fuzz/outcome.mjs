// Classifies the result of reading an input.
import { DmError } from '@dm/ops';
/** @import { Reader } from './readers.mjs' */

/** @typedef {{ kind: 'read' } | { kind: 'refused', message: string } | { kind: 'fault', what: string }} Outcome */

/** V8's messages for values that were not checked; this project's RangeErrors name the value instead. */
const unchecked = /call stack|array (buffer )?(length|allocation)|typed array|string length|offset is out of bounds/i;

/**
 * Reads an input. It may return a value, or throw a DmError, one of this project's RangeErrors, or a system error.
 * Anything else is a fault.
 *
 * @param {Pick<Reader, 'read'>} reader
 * @param {Uint8Array} bytes
 * @returns {Promise<Outcome>}
 */
export async function outcomeOf({ read }, bytes) {
  const copy = Uint8Array.from(bytes);
  try {
    await read(copy);
    return isSame(copy, bytes) ? { kind: 'read' } : { kind: 'fault', what: 'the reader changed its input' };
  } catch (error) {
    if (!(error instanceof Error)) return { kind: 'fault', what: `threw ${String(error)}` };
    if (isAllowed(error)) return { kind: 'refused', message: error.message };
    return { kind: 'fault', what: (error.stack ?? error.message).slice(0, 2000) };
  }
}

/** @param {Error} error */
function isAllowed(error) {
  if (error instanceof DmError || 'syscall' in error) return true;
  return error instanceof RangeError && !unchecked.test(error.message);
}

/** @param {Uint8Array} a @param {Uint8Array} b */
const isSame = (a, b) => Buffer.from(a.buffer, a.byteOffset, a.length).equals(b);
