import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileKind } from './kind.js';
import {
  openRegularFileAsync,
  readChunks,
  readRegularFile,
  readRegularFileAsync,
  readTextFile,
  splitIntoChunks,
} from './read.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'files-read-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const maxBytes = 2 ** 20;

const readers: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  readRegularFile: async (path) => readRegularFile(path, { maxBytes }),
  readRegularFileAsync: (path) => readRegularFileAsync(path, { maxBytes }),
  readTextFile: async (path) => readTextFile(path),
  openRegularFileAsync: (path) => openRegularFileAsync(path),
};

describe.each(Object.entries(readers))('%s', (_name, read) => {
  it('refuses what is no regular file at once', async () => {
    const fifo = join(folder, 'fifo');
    const socket = join(folder, 'socket');
    execFileSync('mkfifo', [fifo]);
    symlinkSync('loop', join(folder, 'loop'));
    const server = createServer().listen(socket);
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      for (const path of [fifo, socket, folder, '/dev/zero', join(folder, 'loop')]) {
        await expect(read(path)).rejects.toMatchObject({ name: 'FileError', code: 'FILE_KIND', path });
      }
    } finally {
      server.close();
    }
    await expect(read(join(folder, 'none'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

it('reads chunk by chunk what was written', async () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
  const path = join(folder, 'bytes');
  writeFileSync(path, bytes);
  const sizes: number[] = [];
  const options = { maxBytes, chunkBytes: 300, onChunk: (chunk: Uint8Array) => sizes.push(chunk.length) };
  expect([...readRegularFile(path, options)]).toEqual([...bytes]);
  expect([...(await readRegularFileAsync(path, options))]).toEqual([...bytes]);
  expect(sizes).toEqual([300, 300, 300, 100, 300, 300, 300, 100]);
  expect([...splitIntoChunks(bytes, 400)].map((chunk) => chunk.length)).toEqual([400, 400, 200]);
});

it('reads chunks one after the other into the same memory', () => {
  const path = join(folder, 'chunks');
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
  writeFileSync(path, bytes);
  const [copies, buffers] = [[] as Buffer[], new Set<ArrayBufferLike>()];
  for (const chunk of readChunks(path, { chunkBytes: 300 })) {
    copies.push(Buffer.from(chunk));
    buffers.add(chunk.buffer);
  }
  expect(copies.map(({ length }) => length)).toEqual([300, 300, 300, 100]);
  expect(Buffer.concat(copies)).toEqual(Buffer.from(bytes));
  expect(buffers.size).toBe(1);
  expect(() => [...readChunks(path, { maxBytes: 999 })]).toThrow(expect.objectContaining({ code: 'FILE_TOO_LARGE' }));
});

it('refuses a larger file before it allocates', async () => {
  const path = join(folder, 'sparse');
  writeFileSync(path, '');
  truncateSync(path, 2 ** 40);
  const refusal = { code: 'FILE_TOO_LARGE', message: expect.stringContaining(String(maxBytes)) as string };
  expect(() => readRegularFile(path, { maxBytes })).toThrow(expect.objectContaining(refusal));
  await expect(readRegularFileAsync(path, { maxBytes })).rejects.toMatchObject(refusal);
  expect(() => readTextFile(path)).toThrow(expect.objectContaining({ code: 'FILE_TOO_LARGE' }));
});

it('follows a link at the end only if asked to', () => {
  writeFileSync(join(folder, 'file'), 'text');
  symlinkSync('file', join(folder, 'link'));
  mkdirSync(join(folder, 'folder'));
  expect(readTextFile(join(folder, 'link'))).toBe('text');
  expect(() => readTextFile(join(folder, 'link'), { followLinks: false })).toThrow(
    expect.objectContaining({ code: 'FILE_KIND' }),
  );
  expect(fileKind(join(folder, 'link'))).toBe('file');
  expect(fileKind(join(folder, 'link'), { followLinks: false })).toBe('link');
  expect(fileKind(join(folder, 'folder'))).toBe('folder');
  expect(fileKind(join(folder, 'file', 'below'))).toBeUndefined();
});
