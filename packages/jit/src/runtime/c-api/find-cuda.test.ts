import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { constantStrings, dynamicStrings, neededLibraries } from './elf.js';
import { findCudaLibrary, findCudaProvider } from './find-cuda.js';
import { findRuntimeLibrary } from './find-library.js';

const isLinux = process.platform === 'linux' && process.arch === 'x64';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'find-cuda-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/**
 * An ELF-64 file without code that needs these libraries, whose symbols have the version `symbols`, and with the section
 * `.rodata`. Its strings are at address 0x1000 + their offset.
 */
function elf(needed: readonly string[], { symbols = 'VERS_1.0', constants = Buffer.alloc(0) } = {}): Buffer {
  const names = Buffer.from(`\0${[...needed, symbols].join('\0')}\0`);
  const sectionNames = Buffer.from('\0.rodata\0.shstrtab\0');
  const dynamicAt = 64 + 2 * 56;
  const namesAt = dynamicAt + 16 * (needed.length + 3);
  const constantsAt = namesAt + names.length;
  const sectionNamesAt = constantsAt + constants.length;
  const sectionsAt = sectionNamesAt + sectionNames.length;
  const file = Buffer.alloc(sectionsAt + 3 * 64);
  file.write('\x7fELF\x02\x01', 'latin1');
  file.writeBigUInt64LE(64n, 32);
  file.writeBigUInt64LE(BigInt(sectionsAt), 40);
  [56, 2, 64, 3, 2].forEach((value, i) => file.writeUInt16LE(value, 54 + 2 * i));
  const segment = (at: number, type: number, offset: number, address: number, bytes: number) => {
    file.writeUInt32LE(type, at);
    file.writeBigUInt64LE(BigInt(offset), at + 8);
    file.writeBigUInt64LE(BigInt(address), at + 16);
    file.writeBigUInt64LE(BigInt(bytes), at + 32);
  };
  segment(64, 1, 0, 0x1000, file.length);
  segment(64 + 56, 2, dynamicAt, 0x1000 + dynamicAt, namesAt - dynamicAt);
  const section = (at: number, name: string, offset: number, bytes: number) => {
    file.writeUInt32LE(sectionNames.indexOf(name), at);
    file.writeBigUInt64LE(BigInt(offset), at + 24);
    file.writeBigUInt64LE(BigInt(bytes), at + 32);
  };
  section(sectionsAt + 64, '.rodata', constantsAt, constants.length);
  section(sectionsAt + 128, '.shstrtab', sectionNamesAt, sectionNames.length);
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
  constants.copy(file, constantsAt);
  sectionNames.copy(file, sectionNamesAt);
  return file;
}

const put = (name: string, contents: Buffer | string = '') => writeFileSync(join(folder, name), contents);

/** A folder with a core library, a provider that needs these libraries, and its bridge; all without code. */
function putProvider(needed: readonly string[], versions = '\x001.30.0\0'): void {
  put('libonnxruntime.so.1', elf([], { symbols: 'VERS_1.30.0' }));
  put('libonnxruntime_providers_shared.so', elf([]));
  put('libonnxruntime_providers_cuda.so', elf(needed, { constants: Buffer.from(versions) }));
}

/** Puts what the provider needs next to it, so that nothing is missing on any machine. */
function putLibraries(): void {
  for (const name of ['libcudart.so.990', 'libcuda.so.1']) put(name);
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
    putLibraries();
    expect(await findCudaLibrary(folder)).toBe(join(folder, 'libonnxruntime.so.1'));
    expect(await findCudaProvider(folder)).toEqual({
      path: join(folder, 'libonnxruntime.so.1'),
      coreVersion: '1.30.0',
      providerVersion: '1.30.0',
      missing: [],
    });
  });
});

describe.runIf(isLinux)('the version of the provider', () => {
  beforeEach(putLibraries);

  it('must be the same as for the core library: both are named, with the remedy', async () => {
    putProvider(['libcudart.so.990'], 'cuda\x001.29.1\0graph\0');
    await expect(findCudaLibrary(folder)).rejects.toMatchObject(
      refused('has version 1\\.29\\.1, but', 'libonnxruntime\\.so\\.1 has version 1\\.30\\.0\\.', 'DM_CUDA_PROVIDER'),
    );
  });

  it('is refused before missing libraries are named, since other versions need others', async () => {
    putProvider(['libcudart.so.991'], '\x001.31.0\0');
    await expect(findCudaLibrary(folder)).rejects.toMatchObject(refused('1\\.31\\.0', '1\\.30\\.0'));
    expect(await findCudaProvider(folder)).toMatchObject({
      providerVersion: '1.31.0',
      missing: [
        { name: 'libcudart.so.991', from: 'the CUDA 991 toolkit', url: expect.stringContaining('cuda') as string },
      ],
    });
  });

  it.each<[constants: string, version: string | null, isAccepted: boolean]>([
    // Versions of other libraries, the end of a longer text, and what only looks like the version.
    ['\x001.3.2\x001.14.1\x00ONNX Runtime 1.30.0\0', '1.30.0', true],
    ['\x0011.30.0\x001.30.01\x00v1.30.0-dev\x001.29.0\0', '1.29.0', false],
    ['\x001.28.0\x001.29.0\0', null, true],
    ['\x001.14.1\0', null, true],
    // A longer version across the border.
    [`${'x'.repeat(2 ** 22 - 2)}\x0011.30.0\0`, null, true],
    ['\x001.3.2\x0012.30.0\0', null, true],
    // Across the border of the chunks that are read.
    [`${'x'.repeat(2 ** 22 - 3)}\x001.30.0\0`, '1.30.0', true],
  ])('is one of its constants (case %#)', async (constants, version, isAccepted) => {
    putProvider(['libcudart.so.990'], constants);
    expect((await findCudaProvider(folder)).providerVersion).toBe(version);
    const accepted = await findCudaLibrary(folder).then(
      () => true,
      () => false,
    );
    expect(accepted).toBe(isAccepted);
  });
});

it.runIf(isLinux)("reads the version of ONNX Runtime's own library in both ways", async () => {
  const { path, version } = await findRuntimeLibrary();
  expect(await dynamicStrings(path)).toContain(`VERS_${version}`);
  expect(await constantStrings(path, /1\.[1-9]\d\.(?:0|[1-9]\d?)/)).toEqual([version]);
});

it.runIf(isLinux)("reads the libraries that ONNX Runtime's own library needs", async () => {
  const { path } = await findRuntimeLibrary();
  expect(await neededLibraries(path)).toEqual(expect.arrayContaining(['libc.so.6', 'libm.so.6', 'libstdc++.so.6']));
});
