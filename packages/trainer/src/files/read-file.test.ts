import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { splitIntoChunks, readFileChunked } from './read-file.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-read-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([0, 1, 255, 256, 257, 1000])('reads a file of %i bytes in chunks of 256 as in one', (length) => {
  const path = join(folder, `${length}.bin`);
  writeFileSync(
    path,
    Uint8Array.from({ length }, (_, i) => (i * 7) % 253),
  );
  const seen: number[] = [];
  const bytes = readFileChunked(path, { size: 256, onChunk: (chunk) => seen.push(...chunk) });
  expect(bytes).toEqual(new Uint8Array(readFileSync(path)));
  expect(bytes.buffer.byteLength).toBe(length);
  expect(seen).toEqual([...bytes]);
});

it('cuts into views that share the memory', () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 5);
  const chunks = [...splitIntoChunks(bytes, 2)];
  expect(chunks.map((chunk) => [...chunk])).toEqual([[1, 2], [3, 4], [5]]);
  expect(chunks.every(({ buffer }) => buffer === bytes.buffer)).toBe(true);
});
