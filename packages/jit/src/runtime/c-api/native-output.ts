/**
 * Graphics drivers and their loaders print to file descriptor 2 while a device is opened, whether or not it works.
 * JavaScript cannot intercept that, so the descriptor is redirected to a file meanwhile.
 */
import { EngineError } from '../../errors.js';
import { loadKoffi } from './koffi.js';

/** Lines of Dawn, the Vulkan loader, and drivers that say nothing about the program: our error has the reason. */
const noise = [
  /^(?:Warning|Info): /, // Dawn
  /^ {4}at \S+ \(/, // a location in Dawn's source, below its message
  /XDG_RUNTIME_DIR/,
  /^(?:MESA|MESA-INTEL|libEGL|ALSA|DRM|amdgpu|radv|lavapipe)\b/i,
  /^(?:ERROR|WARNING|INFO|DEBUG): \[?(?:Loader|Layer|Driver|loader)/, // the Vulkan loader
  /\[[VIWEF]:onnxruntime/,
  /^\s*$/,
];

// oxlint-disable-next-line no-control-regex -- colors
const colors = /\u001B\[[\d;]*m/g;

/** The lines that native code printed: known noise, and everything else with its line ends. */
export function splitNativeOutput(text: string): { readonly noise: readonly string[]; readonly rest: string } {
  const lines = text.split(/(?<=\n)/);
  const plain = (line: string) => line.replaceAll(colors, '').trimEnd();
  const isNoise = (line: string) => noise.some((pattern) => pattern.test(plain(line)));
  return { noise: lines.filter(isNoise).map(plain), rest: lines.filter((line) => !isNoise(line)).join('') };
}

/**
 * Does `work` without the noise that native code prints meanwhile; everything else printed to standard error appears
 * afterwards. If `work` fails, the noise becomes part of the error's message. Does nothing special on Windows, since each
 * C library has its own descriptors.
 */
export async function withoutNativeNoise<T>(work: () => Promise<T>): Promise<T> {
  if (process.platform === 'win32') return work();
  const redirection = await redirectStderr();
  let result: T;
  try {
    result = await work();
  } catch (error) {
    const printed = redirection.end().filter((line) => line !== '' && !line.startsWith(' '));
    if (printed.length === 0 || !(error instanceof Error)) throw error;
    throw new EngineError('RUNTIME_FAILED', `${error.message.trim()} (printed meanwhile: ${printed.join('; ')})`, {
      cause: error,
    });
  }
  redirection.end();
  return result;
}

const STDERR = 2;

/** Redirects standard error to a file. `end` restores it, prints all but the noise, and returns the noise. */
async function redirectStderr(): Promise<{ readonly end: () => readonly string[] }> {
  const { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } = await import('node:fs');
  const [os, path, koffi] = await Promise.all([import('node:os'), import('node:path'), loadKoffi()]);
  const c = koffi.load(null);
  const dup = c.func('int dup(int)') as (fd: number) => number;
  const dup2 = c.func('int dup2(int, int)') as (from: number, to: number) => number;
  let file: number;
  try {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'dm-output-'));
    file = openSync(path.join(folder, 'stderr'), 'wx+');
    rmSync(folder, { recursive: true }); // the open file remains
  } catch {
    return { end: () => [] }; // without a temporary folder, the noise is printed
  }
  const saved = dup(STDERR);
  dup2(file, STDERR);
  return {
    end() {
      dup2(saved, STDERR);
      closeSync(saved);
      const bytes = Buffer.alloc(fstatSync(file).size);
      readSync(file, bytes, 0, bytes.length, 0);
      closeSync(file);
      const { noise: found, rest } = splitNativeOutput(bytes.toString('utf8'));
      if (rest !== '') process.stderr.write(rest);
      return found;
    },
  };
}
