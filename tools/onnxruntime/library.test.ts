// Tests the packages that contain ONNX Runtime's library: which platforms they cover, and how they are filled.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { root } from '../bootstrap/commands.mjs';

interface Manifest {
  version: string;
  scripts: Record<string, string>;
  exports: Record<string, string>;
  publishConfig: { os: string[]; cpu: string[]; libc?: string[] };
}

const packages = readdirSync(join(root, 'packages')).filter((name) => name.startsWith('onnxruntime-'));
const onnxruntimeNode = dirname(
  createRequire(join(root, 'packages/jit/package.json')).resolve('onnxruntime-node/package.json'),
);
const binaries = join(onnxruntimeNode, 'bin/napi-v6');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onnxruntime-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function library(action: string): void {
  const script = join(import.meta.dirname, 'library.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, action], { cwd: folder, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
}

describe.each(packages)('%s', (name) => {
  const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')) as Manifest;
  const [[os], [cpu]] = [manifest.publishConfig.os, manifest.publishConfig.cpu] as [[string], [string]];

  it('is for the platform in its name, and for glibc on Linux', () => {
    expect(name).toBe(`onnxruntime-${os}-${cpu}`);
    expect(manifest.publishConfig.libc).toEqual(os === 'linux' ? ['glibc'] : undefined);
  });

  it('is filled with the library and its notices, and emptied again', () => {
    copyFileSync(join(root, 'packages', name, 'package.json'), join(folder, 'package.json'));
    library('fill');
    const file = join(folder, manifest.exports['./library']!);
    expect(readFileSync(file).equals(readFileSync(join(binaries, os, cpu, file.slice(dirname(file).length + 1))))).toBe(
      true,
    );
    expect(readFileSync(join(folder, 'LICENSE'), 'utf8')).toMatch(/^MIT License\s+Copyright \(c\) Microsoft/);
    expect(readFileSync(join(folder, 'THIRD_PARTY_NOTICES'), 'utf8')).toContain('protocolbuffers/protobuf');
    library('empty');
    expect(readdirSync(folder)).toEqual(['package.json']);
  });
});

it.each(['x64', 'arm64'])('onnxruntime.dll for %s needs no other DLL of onnxruntime-node to be loaded', (cpu) => {
  const others = readdirSync(join(binaries, 'win32', cpu)).map((file) => file.toLowerCase());
  const imported = importedDlls(readFileSync(join(binaries, 'win32', cpu, 'onnxruntime.dll')));
  expect(imported).toContain('kernel32.dll');
  expect(imported.filter((dll) => others.includes(dll))).toEqual([]);
});

it('covers every platform that onnxruntime-node has a library for', () => {
  const platforms = readdirSync(binaries).flatMap((os) => readdirSync(join(binaries, os)).map((cpu) => `${os}-${cpu}`));
  expect(packages.toSorted()).toEqual(platforms.map((platform) => `onnxruntime-${platform}`).toSorted());
});

/**
 * The DLLs in a DLL's import directory (PE format,
 * https://learn.microsoft.com/en-us/windows/win32/debug/pe-format#import-directory-table), which Windows loads together
 * with it. DLLs in the delay-load directory are loaded later, when first used.
 */
function importedDlls(file: Buffer): string[] {
  const header = file.readUInt32LE(0x3c); // "PE\0\0", then the COFF header of 20 bytes, then the optional header
  const optional = header + 24;
  const sections = optional + file.readUInt16LE(header + 20);
  const count = file.readUInt16LE(header + 6);
  const offsetOf = (address: number): number => {
    for (let at = sections; at < sections + 40 * count; at += 40) {
      const start = file.readUInt32LE(at + 12);
      if (address >= start && address < start + file.readUInt32LE(at + 8))
        return file.readUInt32LE(at + 20) + address - start;
    }
    throw new RangeError(`no section has the address ${address}`);
  };
  expect(file.readUInt16LE(optional)).toBe(0x20b); // PE32+, with 112 bytes before the directories
  const names: string[] = [];
  for (let at = offsetOf(file.readUInt32LE(optional + 112 + 8)); file.readUInt32LE(at + 12) !== 0; at += 20) {
    const name = offsetOf(file.readUInt32LE(at + 12));
    names.push(file.toString('latin1', name, file.indexOf(0, name)).toLowerCase());
  }
  return names;
}
