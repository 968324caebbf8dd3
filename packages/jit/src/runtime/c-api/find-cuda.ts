/** Finds ONNX Runtime's CUDA provider, checks its version, and finds the NVIDIA libraries that it needs. */
import { EngineError } from '../../errors.js';
import { constantStrings, dynamicStrings, neededLibraries } from './elf.js';
import { findBindingLibrary } from './find-library.js';
import { loadKoffi } from './koffi.js';

/** The provider, and the library through which the core library loads it. */
const providerFiles = ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'] as const;

/** A library that the CUDA provider needs and that is missing or does not load. */
export interface MissingLibrary {
  /** File name, such as `libcudnn.so.9`. */
  readonly name: string;
  /** What contains it, such as `cuDNN for CUDA 12`. */
  readonly from: string;
  /** Page with its download. */
  readonly url: string;
}

/** ONNX Runtime's CUDA provider on this machine, and the core library that loads it. */
export interface CudaProvider {
  /** Path of the core library. */
  readonly path: string;
  /** Version of the core library; null if its file does not contain one. */
  readonly coreVersion: string | null;
  /**
   * Version of the provider; null if its file does not contain one, as before ONNX Runtime 1.23. If its file contains
   * several texts that could be one, and none is the core library's, all of them: `1.28.0 or 1.29.0`.
   */
  readonly providerVersion: string | null;
  readonly missing: readonly MissingLibrary[];
}

/**
 * Path of the core library to open for the device `cuda`, on Linux x64. The core library loads providers from its own
 * folder only, so all three files must be in one folder: `folder`, by default the value of the environment variable
 * `DM_CUDA_PROVIDER`, or the folder of onnxruntime-node's library. Nothing of ONNX Runtime is loaded here. Node only.
 * @throws {EngineError} `DEVICE_UNUSABLE` naming each missing file or NVIDIA library, and how to get it; or both
 *   versions, if the provider and the core library have different ones
 */
export async function findCudaLibrary(folder?: string): Promise<string> {
  const provider = await findCudaProvider(folder);
  const path = await import('node:path');
  const place = path.dirname(provider.path);
  const { coreVersion, providerVersion, missing: lost } = provider;
  if (coreVersion !== null && providerVersion !== null && coreVersion !== providerVersion) {
    throw missing(
      `the CUDA provider in ${place} has version ${providerVersion}, but the core library ${provider.path} has version ` +
        `${coreVersion}. ${getProvider}`,
    );
  }
  if (lost.length === 0) return provider.path;
  throw missing(
    `these libraries are missing or do not load: ${lost.map(({ name, from }) => `${name} (${from})`).join(', ')}. ` +
      'After installing them, add their folder to LD_LIBRARY_PATH or to the configuration of ldconfig',
  );
}

/**
 * The CUDA provider that the device `cuda` would load, see `findCudaLibrary`, with its version and what it lacks. Nothing
 * of ONNX Runtime is loaded here. Node only.
 * @throws {EngineError} `DEVICE_UNUSABLE` naming each missing file, and how to get it
 */
export async function findCudaProvider(folder = process.env['DM_CUDA_PROVIDER']): Promise<CudaProvider> {
  const [{ existsSync }, path] = await Promise.all([import('node:fs'), import('node:path')]);
  const core = folder === undefined || folder === '' ? await bindingPath() : await corePath(folder);
  const place = path.dirname(core);
  const absent = providerFiles.filter((file) => !existsSync(path.join(place, file)));
  if (absent.length > 0) throw missing(`${place} has no ${absent.join(' and no ')}. ${getProvider}`);
  const provider = path.join(place, providerFiles[0]);
  const needed = (await neededLibraries(provider)).filter((name) => /^lib(cu|nv)[\w.+-]*$/.test(name));
  // The CUDA runtime opens the driver's library by its name, without being linked with it.
  const libraries = [...new Set([...needed, driver])];
  const koffi = await loadKoffi();
  const lost = libraries.filter((name) => !existsSync(path.join(place, name)) && !canLoad(koffi, name));
  const cuda = /^libcudart\.so\.(\d+)/.exec(needed.find((name) => name.startsWith('libcudart')) ?? '')?.[1];
  const coreVersion = await coreVersionOf(core);
  return {
    path: core,
    coreVersion,
    providerVersion: await providerVersionOf(provider, coreVersion),
    missing: lost.map((name) => ({ name, ...originOf(name, cuda) })),
  };
}

const driver = 'libcuda.so.1';

const getProvider =
  'Run the install script of onnxruntime-node ("npm install onnxruntime-node" or "pnpm add ' +
  '--allow-build=onnxruntime-node onnxruntime-node"), or set DM_CUDA_PROVIDER to the folder lib of a release of ONNX ' +
  'Runtime for Linux x64 with GPU support, which has libonnxruntime.so.1 and both provider files of one version';

const missing = (message: string) => new EngineError('DEVICE_UNUSABLE', message);

/**
 * The core library's version. Its symbols have it as the name of their version, `VERS_1.30.0`, in the libraries of
 * onnxruntime-node, of the Python packages, and of the releases alike; not all of them have it in the file's name.
 */
async function coreVersionOf(path: string): Promise<string | null> {
  return (await dynamicStrings(path)).flatMap((name) => /^VERS_(\d+\.\d+\.\d+)$/.exec(name)?.[1] ?? [])[0] ?? null;
}

/**
 * The provider's version. The version of its symbols is always `VERS_1.0`, and package.json and VERSION_NUMBER describe
 * a package, not a file that was copied or left over from an earlier one. But the provider has a function that returns
 * its version (`CudaEpFactory::GetVersionImpl`, since 1.23), so the text is one of its constants. Other libraries in it
 * may contain texts of the same form: the core library's version is looked for first, and then the version is unknown
 * unless only one text can be it.
 */
async function providerVersionOf(path: string, coreVersion: string | null): Promise<string | null> {
  const found = await constantStrings(path, /1\.(?:2[3-9]|[3-9]\d)\.(?:0|[1-9]\d?)/);
  if (coreVersion !== null && (await constantStrings(path, exactly(coreVersion))).length > 0) return coreVersion;
  return found.length === 1 ? found[0]! : null;
}

const exactly = (version: string) => new RegExp(version.replaceAll('.', '\\.'));

async function bindingPath(): Promise<string> {
  const library = await findBindingLibrary();
  if (library === undefined) throw missing(`onnxruntime-node is not installed. ${getProvider}`);
  return library.path;
}

async function corePath(folder: string): Promise<string> {
  const [{ existsSync, readdirSync }, path] = await Promise.all([import('node:fs'), import('node:path')]);
  if (!existsSync(folder)) throw missing(`the folder ${folder} (DM_CUDA_PROVIDER) does not exist. ${getProvider}`);
  const names = readdirSync(folder).filter((name) => /^libonnxruntime\.so(\.\d+)*$/.test(name));
  const versions = new Set(names.flatMap((name) => /\.so\.(\d+\.\d+\.\d+)$/.exec(name)?.[1] ?? []));
  if (versions.size > 1) {
    throw missing(
      `the folder ${folder} (DM_CUDA_PROVIDER) mixes versions of ONNX Runtime: ${[...versions].join(', ')}. Unpack each ` +
        'release in a separate folder',
    );
  }
  const [name] = names.toSorted((a, b) => a.length - b.length);
  if (name === undefined) {
    throw missing(`the folder ${folder} (DM_CUDA_PROVIDER) has no core library, libonnxruntime.so.1. ${getProvider}`);
  }
  return path.join(folder, name);
}

function canLoad(koffi: Awaited<ReturnType<typeof loadKoffi>>, name: string): boolean {
  try {
    koffi.load(name);
    return true;
  } catch {
    return false;
  }
}

/** What contains a library; `cuda` is the major version of CUDA that the provider needs, if known. */
function originOf(name: string, cuda = ''): Pick<MissingLibrary, 'from' | 'url'> {
  if (name.startsWith('libcuda.')) return { from: 'the NVIDIA driver', url: 'https://www.nvidia.com/drivers' };
  const toolkit = `CUDA ${cuda}`.trim();
  return name.startsWith('libcudnn')
    ? { from: `cuDNN for ${toolkit}`, url: 'https://developer.nvidia.com/cudnn-downloads' }
    : { from: `the ${toolkit} toolkit`, url: 'https://developer.nvidia.com/cuda-toolkit-archive' };
}
