import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { neededLibraries } from './elf.js';
import { findCudaLibrary } from './find-cuda.js';
import { findRuntimeLibrary } from './find-library.js';

const isLinux = process.platform === 'linux' && process.arch === 'x64';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'find-cuda-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** An ELF-64 file without code that needs these libraries. Its strings are at address 0x1000 + their offset. */
function elf(needed: readonly string[]): Buffer {
  const names = Buffer.from(`\0${needed.join('\0')}\0`);
  const [dynamicAt, namesAt] = [64 + 2 * 56, 64 + 2 * 56 + 16 * (needed.length + 3)];
  const file = Buffer.alloc(namesAt + names.length);
  file.write('\x7fELF\x02\x01', 'latin1');
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(2, 56);
  const segment = (at: number, type: number, offset: number, address: number, bytes: number) => {
    file.writeUInt32LE(type, at);
    file.writeBigUInt64LE(BigInt(offset), at + 8);
    file.writeBigUInt64LE(BigInt(address), at + 16);
    file.writeBigUInt64LE(BigInt(bytes), at + 32);
  };
  segment(64, 1, 0, 0x1000, file.length);
  segment(64 + 56, 2, dynamicAt, 0x1000 + dynamicAt, namesAt - dynamicAt);
  const entries = [
    ...needed.map((name) => [1, names.indexOf(`\0${name}\0`) + 1]),
    [5, 0x1000 + namesAt],
    [10, names.length],
  ];
  entries.forEach(([tag, value], i) => {
    file.writeBigUInt64LE(BigInt(tag!), dynamicAt + 16 * i);
    file.writeBigUInt64LE(BigInt(value!), dynamicAt + 16 * i + 8);
  });
  names.copy(file, namesAt);
  return file;
}

const put = (name: string, contents: Buffer | string = '') => writeFileSync(join(folder, name), contents);

/** A folder with a core library, a provider that needs these libraries, and its bridge; all without code. */
function putProvider(needed: readonly string[]): void {
  put('libonnxruntime.so.1');
  put('libonnxruntime_providers_shared.so', elf([]));
  put('libonnxruntime_providers_cuda.so', elf(needed));
}

const refused = (...parts: string[]) => ({
  code: 'DEVICE_UNUSABLE',
  message: expect.stringMatching(new RegExp(parts.join('.*'), 's')) as string,
});

describe('findCudaLibrary', () => {
  it('refuses a library with impossible sizes', async () => {
    const [sizeOfHeader, sizeOfDynamic] = [54, 64 + 56 + 32];
    const [headers, dynamic] = [elf([]), elf([])];
    headers.writeUInt16LE(8, sizeOfHeader);
    dynamic.writeBigUInt64LE(2n ** 60n, sizeOfDynamic);
    for (const damaged of [headers, dynamic]) {
      putProvider([]);
      put('libonnxruntime_providers_cuda.so', damaged);
      await expect(findCudaLibrary(folder)).rejects.toMatchObject(refused('providers_cuda'));
    }
  });

  it('names what a folder lacks, and the variable that names the folder', async () => {
    await expect(findCudaLibrary(join(folder, 'none'))).rejects.toMatchObject(refused('none', 'DM_CUDA_PROVIDER'));
    await expect(findCudaLibrary(folder)).rejects.toMatchObject(refused('DM_CUDA_PROVIDER', 'libonnxruntime.so.1'));
    put('libonnxruntime.so.1');
    put('libonnxruntime_providers_shared.so');
    const failure = await findCudaLibrary(folder).catch((error: unknown) => error);
    expect(failure).toMatchObject(refused('has no libonnxruntime_providers_cuda.so\\. ', 'DM_CUDA_PROVIDER'));
  });

  it('refuses a folder with two versions of the core library', async () => {
    putProvider([]);
    put('libonnxruntime.so.1.29.0');
    put('libonnxruntime.so.1.30.0');
    await expect(findCudaLibrary(folder)).rejects.toMatchObject(refused('1.29.0', '1.30.0'));
  });

  it('refuses a provider that is not a library, or is cut off', async () => {
    putProvider(['libcudart.so.12']);
    put('libonnxruntime_providers_cuda.so', 'not a library');
    await expect(findCudaLibrary(folder)).rejects.toMatchObject(refused('providers_cuda.so is not a complete library'));
    put('libonnxruntime_providers_cuda.so', elf(['libcudart.so.12']).subarray(0, 150));
    await expect(findCudaLibrary(folder)).rejects.toMatchObject(refused('providers_cuda.so is not a complete library'));
  });

  // The numbers are no versions of CUDA, so no machine has these libraries.
  it.runIf(isLinux)('names each missing library and what contains it, and none that is there', async () => {
    putProvider(['libcublas.so.990', 'libcudnn.so.990', 'libcudart.so.990', 'libcufft.so.990', 'libc.so.6']);
    put('libcufft.so.990'); // next to the provider
    const { message } = (await findCudaLibrary(folder).catch((error: unknown) => error)) as Error;
    expect(message).toMatch(/libcublas\.so\.990 \(.*CUDA 990.*libcudnn\.so\.990 \(cuDNN/);
    expect(message).toContain('libcudart.so.990');
    expect(message).toContain('LD_LIBRARY_PATH');
    expect(message).not.toContain('libcufft');
    expect(message).not.toContain('libc.so');
  });

  it.runIf(isLinux)('returns the core library of a folder with all files', async () => {
    putProvider(['libcudart.so.990']);
    put('libcudart.so.990');
    put('libcuda.so.1');
    expect(await findCudaLibrary(folder)).toBe(join(folder, 'libonnxruntime.so.1'));
  });
});

it.runIf(isLinux)("reads the libraries that ONNX Runtime's own library needs", async () => {
  const { path } = await findRuntimeLibrary();
  expect(await neededLibraries(path)).toEqual(expect.arrayContaining(['libc.so.6', 'libm.so.6', 'libstdc++.so.6']));
});
