import { readFileSync, writeFileSync } from 'node:fs';

/** Flips bits of one byte of a file. */
export function flipByte(path: string, at: number, bits = 1): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= bits;
  writeFileSync(path, bytes);
}
