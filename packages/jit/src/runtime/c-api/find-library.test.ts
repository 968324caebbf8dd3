import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkPlatform, currentPlatform, findRuntimeLibrary, type Platform } from './find-library.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'find-library-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  vi.doUnmock('detect-libc');
});

/** Creates a package with these files, and with `exports` in its manifest, in the node_modules of a folder. */
function install(name: string, files: readonly string[], exports?: Record<string, string>): void {
  const root = join(folder, 'node_modules', name);
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), '');
  }
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name, version: '1.2.3', exports }));
}

const installRuntime = (platform: string, file: string) =>
  install(`@dm/onnxruntime-${platform}`, [`lib/${file}`], {
    './library': `./lib/${file}`,
    './package.json': './package.json',
  });

const find = (platform: Platform) => findRuntimeLibrary(platform, join(folder, 'index.js'));

const linux: Platform = { os: 'linux', cpu: 'x64', libc: 'glibc' };
const windows: Platform = { os: 'win32', cpu: 'arm64', libc: null };

describe('findRuntimeLibrary', () => {
  it("prefers the file of the platform's package to onnxruntime-node", async () => {
    installRuntime('linux-x64', 'libonnxruntime.so.1');
    installRuntime('win32-arm64', 'onnxruntime.dll');
    install('onnxruntime-node', ['bin/napi-v6/linux/x64/libonnxruntime.so.1']);
    const modules = join(folder, 'node_modules');
    expect(await find(linux)).toEqual({
      package: '@dm/onnxruntime-linux-x64',
      version: '1.2.3',
      path: join(modules, '@dm/onnxruntime-linux-x64/lib/libonnxruntime.so.1'),
    });
    expect(await find(windows)).toMatchObject({
      path: join(modules, '@dm/onnxruntime-win32-arm64/lib/onnxruntime.dll'),
    });
  });

  it('uses the file of onnxruntime-node if the package is missing or, as in a clone, has no library', async () => {
    const file = 'bin/napi-v6/linux/x64/libonnxruntime.so.1';
    install('onnxruntime-node', [file]);
    const expected = {
      package: 'onnxruntime-node',
      version: '1.2.3',
      path: join(folder, 'node_modules/onnxruntime-node', file),
    };
    expect(await find(linux)).toEqual(expected);
    installRuntime('linux-x64', 'libonnxruntime.so.1');
    rmSync(join(folder, 'node_modules/@dm/onnxruntime-linux-x64/lib'), { recursive: true });
    expect(await find(linux)).toEqual(expected);
  });

  it('names the package to install if onnxruntime-node has no library for the platform either', async () => {
    install('onnxruntime-node', ['bin/napi-v6/win32/arm64/onnxruntime.dll']);
    await expect(find(linux)).rejects.toMatchObject({
      code: 'RUNTIME_MISSING',
      message: expect.stringContaining('npm install @dm/onnxruntime-linux-x64'),
    });
    expect(await find(windows)).toMatchObject({ package: 'onnxruntime-node' });
  });

  it('finds the library of this workspace', async () => {
    expect(await findRuntimeLibrary()).toMatchObject({ path: expect.stringContaining('onnxruntime') });
  });
});

it.each<[string, string, string | null, string]>([
  ['linux', 'x64', 'musl', 'Linux on x64 with musl'],
  ['linux', 'arm64', 'musl', 'Linux on arm64 with musl'],
  ['darwin', 'x64', null, 'macOS on Intel processors (x64)'],
  ['linux', 'arm', 'glibc', 'Linux on arm'],
  ['linux', 'riscv64', 'glibc', 'Linux on riscv64'],
  ['win32', 'ia32', null, 'Windows on ia32'],
  ['freebsd', 'x64', null, 'freebsd on x64'],
])('%s %s %s has no library: the message names the platform and another engine', async (os, cpu, libc, named) => {
  const refused = { code: 'RUNTIME_MISSING', message: expect.stringMatching(/--engine tfjs-wasm/) };
  await expect(find({ os, cpu, libc })).rejects.toMatchObject(refused);
  expect(() => checkPlatform({ os, cpu, libc })).toThrow(named);
});

it.each<[string, string, string | null]>([
  ['linux', 'x64', 'glibc'],
  ['linux', 'arm64', null], // detection failed; almost all systems have glibc
  ['darwin', 'arm64', null],
  ['win32', 'x64', null],
  ['win32', 'arm64', null],
])('%s %s %s has one', (os, cpu, libc) => {
  expect(() => checkPlatform({ os, cpu, libc })).not.toThrow();
});

it('detects the platform of this process', async () => {
  const { libc, ...platform } = await currentPlatform();
  expect(platform).toEqual({ os: process.platform, cpu: process.arch });
  expect(libc === null).toBe(process.platform !== 'linux');
});

it.each(['cpu', 'webgpu', 'cuda'] as const)(
  'an engine on %s fails to open on musl, whatever is installed',
  async (device) => {
    vi.resetModules();
    vi.doMock('detect-libc', () => ({ family: () => Promise.resolve('musl') }));
    const { openOnnxEngine } = await import('../../engine.js');
    const opened = openOnnxEngine({ device });
    await expect(opened).rejects.toMatchObject({ code: 'RUNTIME_MISSING', message: expect.stringContaining('musl') });
  },
);
