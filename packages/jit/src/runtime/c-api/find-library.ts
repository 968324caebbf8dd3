/** Finds ONNX Runtime's shared library for the CPU: one npm package per platform, with nothing else in it. */
import type * as DetectLibc from 'detect-libc';
import { EngineError } from '../../errors.js';

/** The properties of a machine that determine which library runs on it. */
export interface Platform {
  /** As `process.platform`: `linux`, `darwin`, `win32`, ... */
  readonly os: string;
  /** As `process.arch`: `x64`, `arm64`, ... */
  readonly cpu: string;
  /** The C library on Linux, `glibc` or `musl`; null on other systems or for another library. */
  readonly libc: string | null;
}

/** ONNX Runtime's CPU library in an npm package. */
export interface RuntimeLibrary {
  /** The npm package, such as `@dm/onnxruntime-linux-x64`. */
  readonly package: string;
  /** Version of the package. */
  readonly version: string;
  /** Path of the library file. */
  readonly path: string;
}

/** The platforms with a library, and its file in onnxruntime-node. */
const files: Readonly<Record<string, string>> = {
  'darwin-arm64': 'libonnxruntime.1.dylib',
  'linux-arm64': 'libonnxruntime.so.1',
  'linux-x64': 'libonnxruntime.so.1',
  'win32-arm64': 'onnxruntime.dll',
  'win32-x64': 'onnxruntime.dll',
};

/** What to do on a machine without the library. */
const otherEngine = 'npm install @tensorflow/tfjs-backend-wasm, then --engine tfjs-wasm (slower).';

/** In a variable, so that bundlers for browsers do not look for it. */
const detectLibcName = 'detect-libc';

/** The platform of this process. Node only. */
export async function currentPlatform(): Promise<Platform> {
  const { family } = (await import(detectLibcName)) as typeof DetectLibc;
  return { os: process.platform, cpu: process.arch, libc: await family() };
}

/**
 * Checks that there is a library for a platform.
 * @throws {EngineError} if there is none; the message names the platform and an engine that runs there
 */
export function checkPlatform({ os, cpu, libc }: Platform): void {
  if (libc !== 'musl' && `${os}-${cpu}` in files) return;
  const names: Readonly<Record<string, string>> = { darwin: 'macOS', linux: 'Linux', win32: 'Windows' };
  const processor = os === 'darwin' && cpu === 'x64' ? 'Intel processors (x64)' : cpu;
  const place = `${names[os] ?? os} on ${processor}${libc === 'musl' ? ' with musl (Alpine Linux)' : ''}`;
  throw new EngineError(
    'RUNTIME_MISSING',
    `The engine onnx does not run here: ONNX Runtime has no library for ${place}. ` +
      `Use another engine: ${otherEngine}`,
  );
}

/**
 * The library for this machine: from the package of its platform, or from onnxruntime-node if only that is installed.
 * `from` is the file or folder whose `node_modules` are searched, as a URL or path. Node only.
 * @throws {EngineError} if there is none for the platform, or its package is not installed
 */
export async function findRuntimeLibrary(platform?: Platform, from: string = import.meta.url): Promise<RuntimeLibrary> {
  const { os, cpu, libc } = platform ?? (await currentPlatform());
  checkPlatform({ os, cpu, libc });
  const { createRequire } = await import('node:module');
  const require = createRequire(from);
  const name = `@dm/onnxruntime-${os}-${cpu}`;
  try {
    const path = require.resolve(`${name}/library`);
    const { version } = require(`${name}/package.json`) as { version: string };
    return { package: name, version, path };
  } catch (cause) {
    const library = await findBindingLibrary({ os, cpu }, from);
    if (library !== undefined) return library;
    throw new EngineError(
      'RUNTIME_MISSING',
      `The engine onnx needs the package ${name}, an optional dependency of @dm/jit, which is not installed. ` +
        `Install it: npm install ${name}. Or use another engine: ${otherEngine}`,
      { cause },
    );
  }
}

/** The library that onnxruntime-node's binding loads, if that package is installed. */
export async function findBindingLibrary(
  { os, cpu }: Pick<Platform, 'os' | 'cpu'> = { os: process.platform, cpu: process.arch },
  from: string = import.meta.url,
): Promise<RuntimeLibrary | undefined> {
  const [{ existsSync }, { createRequire }, path] = await Promise.all([
    import('node:fs'),
    import('node:module'),
    import('node:path'),
  ]);
  const require = createRequire(from);
  let manifest: string;
  try {
    manifest = require.resolve('onnxruntime-node/package.json');
  } catch {
    return undefined;
  }
  const file = path.join(path.dirname(manifest), 'bin', 'napi-v6', os, cpu, files[`${os}-${cpu}`] ?? '');
  if (!existsSync(file)) return undefined;
  const { version } = require(manifest) as { version: string };
  return { package: 'onnxruntime-node', version, path: file };
}
