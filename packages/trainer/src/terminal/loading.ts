/**
 * Shows that the command is loading, before its modules have been read. The command loads this module first, so it
 * imports nothing.
 */
import type { WriteStream } from 'node:tty';

/** Without a terminal, a line is printed only if loading takes longer than this. */
const patienceMs = 500;

/** Shows it on `stream` until the returned function is called. */
export function showLoading(stream: Pick<WriteStream, 'write'> & { readonly isTTY?: boolean }): () => void {
  const text = 'dm: loading ...';
  if (stream.isTTY === true) {
    stream.write(text);
    return () => void stream.write('\r\u001B[K');
  }
  const timer = setTimeout(() => stream.write(`${text}\n`), patienceMs);
  return () => clearTimeout(timer);
}
