import { brotliCompressSync, constants } from 'node:zlib';

/** Shown in the output of the tests, for the table in docs/browser.md. */
export function report(text: string): void {
  // oxlint-disable-next-line no-console -- see above
  console.log(text);
}

/** The size with brotli, in bytes; a quality below the highest for files of megabytes. */
export function compressedSize(content: Uint8Array, quality = constants.BROTLI_MAX_QUALITY): number {
  return brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } }).length;
}
