/** What is read, from what, and the only class of error that may come of it. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataError, openDataset, openImageZip, parseCifar, parseIdx, parseNpy, parseNpz, readIdx } from '@dm/data';
import { parseSafetensors, SafetensorsError } from '@dm/models';
import { configFile, presets, resolveConfig, UserError } from '@dm/trainer';
import * as fc from 'fast-check';
import { mutated } from './mutate.js';
import * as seeds from './seeds.js';

export interface Reader {
  readonly name: string;
  readonly inputs: fc.Arbitrary<Uint8Array>;
  /** All that it may throw. */
  readonly error: new (...args: never[]) => Error;
  /** Reads everything that there is in the input. */
  readonly read: (bytes: Uint8Array) => unknown;
  /** Whether it reads `bytes` themselves, so that reading past their end can be seen; else from a file of them. */
  readonly inMemory: boolean;
}

export async function openReaders(): Promise<Reader[]> {
  const dir = await mkdtemp(join(tmpdir(), 'dm-fuzz-'));
  /** A reader of files, as one of bytes. */
  const fromFile = (name: string, read: (path: string) => unknown) => (bytes: Uint8Array) => {
    const path = join(dir, name);
    writeFileSync(path, bytes);
    return read(path);
  };
  const readAll = async (spec: string): Promise<unknown> => {
    const set = await openDataset(spec);
    return [await set.hash(), await set.read(Array.from({ length: set.length }, (_, i) => i))];
  };
  const [zips, shards] = [await seeds.zipFiles(), await seeds.shardFiles()];
  return [
    {
      name: 'safetensors',
      inputs: fc.oneof(mutated(seeds.safetensorsFiles), withHeader(seeds.safetensorsFiles)),
      error: SafetensorsError,
      read: parseSafetensors,
      inMemory: true,
    },
    {
      name: 'npy',
      inputs: fc.oneof(mutated(seeds.npyFiles), withNpyHeader(seeds.npyFiles)),
      error: DataError,
      read: (bytes) => parseNpy(bytes, 'x'),
      inMemory: true,
    },
    {
      name: 'npy of images, by position',
      inputs: fc.oneof(mutated(seeds.npyFiles), withNpyHeader(seeds.npyFiles)),
      error: DataError,
      read: fromFile('x.npy', readAll),
      inMemory: false,
    },
    {
      name: 'npz',
      inputs: mutated(seeds.npzFiles),
      error: DataError,
      read: (bytes) => parseNpz(bytes, 'x'),
      inMemory: true,
    },
    {
      name: 'idx',
      inputs: mutated(seeds.idxFiles),
      error: DataError,
      read: (bytes) => parseIdx(bytes, 'x'),
      inMemory: true,
    },
    {
      name: 'idx, gzipped',
      inputs: mutated(seeds.gzippedIdxFiles),
      error: DataError,
      read: fromFile('x.gz', readIdx),
      inMemory: false,
    },
    {
      name: 'CIFAR binary',
      inputs: mutated(seeds.cifarFiles),
      error: DataError,
      read: (bytes) => parseCifar(bytes, 'x', bytes.length % 2 === 0 ? cifar100 : cifar10),
      inMemory: true,
    },
    {
      name: 'zip',
      inputs: mutated(zips),
      error: DataError,
      read: fromFile('x.zip', async (path) => {
        const set = await openImageZip({ path, size: 2 });
        return set.read(Array.from({ length: set.length }, (_, i) => i));
      }),
      inMemory: false,
    },
    {
      name: 'shard',
      inputs: fc.oneof(mutated(shards), withDescription(shards)),
      error: DataError,
      read: fromFile('x.shard', readAll),
      inMemory: false,
    },
    {
      name: 'run configuration',
      inputs: fc.oneof(mutated(Object.values(presets).map(encodeJson)), configurations()),
      error: UserError,
      read: fromFile('config.json', (path) => resolveConfig([configFile(path)])),
      inMemory: false,
    },
  ];
}

const cifar10 = { labelBytes: 1, classes: 10 } as const;
const cifar100 = { labelBytes: 2, labelAt: 1, classes: 100 } as const;

/** A safetensors file whose header alone is damaged and whose length is that of the header. */
function withHeader(files: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const dataStart = (file: Uint8Array): number => 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
  const headers = mutated(files.map((file) => file.subarray(8, dataStart(file))));
  return fc.tuple(headers, fc.constantFrom(...files)).map(([header, file]) => {
    const length = new DataView(new ArrayBuffer(8));
    length.setBigUint64(0, BigInt(header.length), true);
    return Buffer.concat([new Uint8Array(length.buffer), header, file.subarray(dataStart(file))]);
  });
}

/** The same of a .npy file of version 1. */
function withNpyHeader(files: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const dataStart = (file: Uint8Array): number => 10 + new DataView(file.buffer).getUint16(8, true);
  const headers = mutated(files.map((file) => file.subarray(10, dataStart(file))));
  return fc.tuple(headers, fc.constantFrom(...files)).map(([header, file]) => {
    const length = Uint8Array.of(header.length & 0xff, header.length >> 8);
    return Buffer.concat([file.subarray(0, 8), length, header, file.subarray(dataStart(file))]);
  });
}

/** A shard whose description alone is damaged and has the SHA-256, place and length that its preamble says. */
function withDescription(shards: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const start = (shard: Uint8Array): number => Number(new DataView(shard.buffer).getBigUint64(16, true));
  const texts = mutated(shards.map((shard) => shard.subarray(start(shard))));
  return fc.tuple(texts, fc.constantFrom(...shards)).map(([text, shard]) => {
    const bytes = Buffer.concat([shard.subarray(0, start(shard)), text]);
    bytes.writeBigUInt64LE(BigInt(text.length), 24);
    bytes.set(createHash('sha256').update(text).digest(), 32);
    return bytes;
  });
}

/** A preset with one to four of its fields, at any depth, replaced by any JSON, or with any further ones. */
function configurations(): fc.Arbitrary<Uint8Array> {
  const depth = fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 3 });
  const key = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'toString', 'name', 'type'), fc.string());
  const change = fc.record({ path: depth, value: fc.jsonValue(), newKey: fc.option(key) });
  return fc
    .tuple(fc.constantFrom(...Object.values(presets)), fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([preset, changes]) => {
      // JSON.parse makes `__proto__` a field like any other; assignment would not.
      let text = JSON.stringify(preset);
      for (const { path, value, newKey } of changes) text = replaced(text, path, value, newKey);
      return new TextEncoder().encode(text);
    });
}

function replaced(text: string, path: readonly number[], value: unknown, newKey: string | null): string {
  const root = JSON.parse(text) as unknown;
  let at = root;
  for (const [level, index] of path.entries()) {
    if (typeof at !== 'object' || at === null) break;
    const keys = Object.keys(at);
    const last = level === path.length - 1;
    const chosen = last && newKey !== null ? newKey : keys[index % Math.max(1, keys.length)];
    if (chosen === undefined) break;
    if (last) Object.defineProperty(at, chosen, { value, enumerable: true, configurable: true, writable: true });
    else at = (at as Record<string, unknown>)[chosen];
  }
  return JSON.stringify(root);
}

function encodeJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
