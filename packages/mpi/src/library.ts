/** Finds and loads the MPI library. */
import { join } from 'node:path';
import type Koffi from 'koffi';
import { mpichAbi, openMpiAbi, standardAbi, type Abi } from './abi.js';
import { MpiError } from './errors.js';
import type { Launcher } from './launcher.js';
import { librarySettings } from './library-settings.js';

/** The MPI library of this machine. */
export interface FoundLibrary {
  /** File name, or path from `DM_MPI_LIBRARY`. */
  readonly path: string;
  /** Name and version, such as `Open MPI v4.1.4`. */
  readonly version: string;
  readonly abi: Abi['name'];
}

/** A loaded library. */
export interface LoadedLibrary extends FoundLibrary {
  readonly koffi: typeof Koffi;
  readonly library: ReturnType<typeof Koffi.load>;
  readonly table: Abi;
}

/** The environment variable with the path of the library to use. */
export const libraryVariable = 'DM_MPI_LIBRARY';

const linuxNames = {
  openmpi: ['libmpi.so.40'],
  mpich: ['libmpi.so.12', 'libmpich.so.12'],
  other: ['libmpi_abi.so.0', 'libmpi_abi.so', 'libmpi.so'],
};
const macNames = {
  openmpi: ['libmpi.40.dylib'],
  mpich: ['libmpi.12.dylib', 'libpmpi.12.dylib'],
  other: ['libmpi_abi.0.dylib', 'libmpi_abi.dylib', 'libmpi.dylib'],
};
/** Folders into which package managers of macOS install libraries; the dynamic loader does not search the first and the last. */
const macFolders = ['/opt/homebrew/lib', '/usr/local/lib', '/opt/local/lib'];

/** Flags of dlopen, from dlfcn.h: now, global, and never unload. Components of Open MPI need the symbols to be global. */
const dlopenFlags = process.platform === 'darwin' ? 0x2 | 0x8 | 0x80 : 0x2 | 0x100 | 0x1000;

/** File names to try; the launcher's family comes first. */
export function candidates(
  launcher: Pick<Launcher, 'family'> | undefined,
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string[] {
  const named = env[libraryVariable];
  if (named !== undefined && named !== '') return [named];
  const { openmpi, mpich, other } = platform === 'darwin' ? macNames : linuxNames;
  const names = launcher?.family === 'mpich' ? [...mpich, ...openmpi, ...other] : [...openmpi, ...mpich, ...other];
  if (platform !== 'darwin') return names;
  return names.flatMap((name) => [...macFolders.map((folder) => join(folder, name)), name]);
}

/**
 * Finds the MPI library that `openWorld` would use under this launcher, without initializing MPI.
 *
 * @throws {MpiError} `MPI_UNSUPPORTED` on Windows, or if the library is of an unknown kind; `MPI_MISSING` if there is none
 */
export async function findMpiLibrary(launcher?: Launcher): Promise<FoundLibrary> {
  const { path, version, abi } = await loadLibrary(launcher);
  return { path, version, abi };
}

let loaded: LoadedLibrary | undefined;

/** Like `findMpiLibrary`; the library stays loaded until the process has ended. */
export async function loadLibrary(launcher: Launcher | undefined): Promise<LoadedLibrary> {
  if (process.platform === 'win32') {
    throw new MpiError(
      'MPI_UNSUPPORTED',
      'Several processes are not supported on Windows: MPI libraries are loaded by dlopen. Use WSL 2, or one process.',
    );
  }
  return (loaded ??= await load(launcher));
}

/**
 * koffi accepts no settings once it has loaded a library, and this package may be the first to do so: other packages of the
 * process, such as an inference runtime, need more stack than koffi's default for their asynchronous calls. This package
 * makes none, so nothing is done if it is not the first.
 */
function reserveStack(koffi: typeof Koffi): void {
  if (Number(koffi.config()['async_stack_size']) >= stackBytes) return;
  try {
    koffi.config({ async_stack_size: stackBytes });
  } catch {
    // Another package has loaded a library, with its own settings.
  }
}

const stackBytes = 8 * 2 ** 20;

async function load(launcher: Launcher | undefined): Promise<LoadedLibrary> {
  const names = candidates(launcher);
  const { default: koffi } = await import('koffi');
  reserveStack(koffi);
  for (const [name, value] of Object.entries(librarySettings(launcher))) process.env[name] ??= value;
  const c = koffi.load(null);
  const dlopen = c.func('void *dlopen(const char *, int)');
  const dlerror = c.func('const char *dlerror()');
  const failures: string[] = [];
  for (const name of names) {
    // Pinned: koffi unloads libraries before the threads of Node end, which would still execute their code.
    if (dlopen(name, dlopenFlags) === null) {
      failures.push((dlerror() as string | null) ?? name);
      continue;
    }
    const library = koffi.load(name);
    const version = versionOf(library);
    const table = abiOf(library, version, name);
    return {
      path: name,
      version: shortVersion(version),
      abi: table.name,
      koffi,
      library,
      table,
    };
  }
  throw new MpiError(
    'MPI_MISSING',
    `No MPI library was found (tried ${names.join(', ')}). Install the one that the launcher belongs to, for example ` +
      `openmpi-bin or mpich on Debian, or set ${libraryVariable} to its path. The loader says: ${failures[0]}`,
  );
}

/** `Open MPI v4.1.4` or `MPICH 4.0.2`, from a text that continues with details of the build. */
function shortVersion(text: string): string {
  return text
    .split(/[,\n]/)[0]!
    .replace(/ Version:\s*/, ' ')
    .trim();
}

function versionOf(library: LoadedLibrary['library']): string {
  const text = Buffer.alloc(8192); // MPI_MAX_LIBRARY_VERSION_STRING
  const length = new Int32Array(1);
  library.func('int MPI_Get_library_version(void *, void *)')(text, length);
  return text.toString('utf8', 0, length[0]).replace(/\0.*$/s, '');
}

function abiOf(library: LoadedLibrary['library'], version: string, name: string): Abi {
  if (hasStandardAbi(library)) return standardAbi;
  if (version.startsWith('Open MPI')) return openMpiAbi((symbol) => library.symbol(symbol, 'void *') as bigint);
  if (/MPICH|Intel\(R\) MPI|MVAPICH|CRAY/i.test(version)) return mpichAbi;
  throw new MpiError(
    'MPI_UNSUPPORTED',
    `${name} is "${version.split('\n')[0]}", whose binary interface is unknown. Supported are Open MPI, MPICH and libraries ` +
      `of its family (Intel MPI, MVAPICH, Cray MPICH), and the ABI of MPI 5. Set ${libraryVariable} to another library.`,
  );
}

/** Whether the library implements the ABI of MPI 5; libraries with another one report -1. */
function hasStandardAbi(library: LoadedLibrary['library']): boolean {
  let get: (major: Int32Array, minor: Int32Array) => unknown;
  try {
    get = library.func('int MPI_Abi_get_version(void *, void *)');
  } catch {
    return false;
  }
  const [major, minor] = [new Int32Array(1), new Int32Array(1)];
  get(major, minor);
  return major[0]! >= 1;
}
