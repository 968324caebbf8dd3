/** Parsing untrusted JSON, also in a browser. */
import { FileError } from './errors.js';

/**
 * Maximum nesting of arrays and objects. Recursive code uses one stack frame per level, so deeper documents could
 * overflow the stack.
 */
export const maxJsonDepth = 100;

/**
 * Parses a JSON document. Error messages start with `source`: a path, or a path and a line.
 *
 * @throws {FileError} `FILE_INVALID` if it is not JSON, or is nested more than `maxJsonDepth` levels deep
 */
export function parseJson(text: string, source: string): unknown {
  if (depthExceeds(text, maxJsonDepth)) {
    throw new FileError(source, `is nested more than ${maxJsonDepth} levels deep.`, { code: 'FILE_INVALID' });
  }
  try {
    return JSON.parse(text.replace(/^\uFEFF/, '')); // the byte order mark of some editors
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FileError(source, `is not JSON: ${reason}.`, { code: 'FILE_INVALID', cause: error });
  }
}

/** Whether brackets outside strings are nested deeper than `limit`. */
function depthExceeds(text: string, limit: number): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // "
        for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
        break;
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > limit) return true;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
    }
  }
  return false;
}
