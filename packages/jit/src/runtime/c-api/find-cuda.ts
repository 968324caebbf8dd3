/** Finds ONNX Runtime's CUDA provider, and the NVIDIA libraries that it needs. */
import { EngineError } from '../../errors.js';
import { neededLibraries } from './elf.js';
import { findBindingLibrary } from './find-library.js';
import { loadKoffi } from './koffi.js';

/** The provider, and the library through which the core library loads it. */
const providerFiles = ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'] as const;

/**
 * Path of the core library to open for the device `cuda`, on Linux x64. The core library loads providers from its own
 * folder only, so all three files must be in one folder: `folder`, by default the value of the environment variable
 * `DM_CUDA_PROVIDER`, or the folder of onnxruntime-node's library. Nothing of ONNX Runtime is loaded here. Node only.
 * @throws {EngineError} `DEVICE_UNUSABLE` naming each missing file or NVIDIA library, and how to get it
 */
export async function findCudaLibrary(folder = process.env['DM_CUDA_PROVIDER']): Promise<string> {
  const [{ existsSync }, path] = await Promise.all([import('node:fs'), import('node:path')]);
  const core = folder === undefined || folder === '' ? await bindingPath() : await corePath(folder);
  const place = path.dirname(core);
  const absent = providerFiles.filter((file) => !existsSync(path.join(place, file)));
  if (absent.length > 0) throw missing(`${place} has no ${absent.join(' and no ')}. ${getProvider}`);
  const [provider] = providerFiles;
  const needed = (await neededLibraries(path.join(place, provider))).filter((name) =>
    /^lib(cu|nv)[\w.+-]*$/.test(name),
  );
  // The CUDA runtime opens the driver's library by its name, without being linked with it.
  const libraries = [...new Set([...needed, driver])];
  const koffi = await loadKoffi();
  const lost = libraries.filter((name) => !existsSync(path.join(place, name)) && !canLoad(koffi, name));
  if (lost.length === 0) return core;
  const cuda = /^libcudart\.so\.(\d+)/.exec(needed.find((name) => name.startsWith('libcudart')) ?? '')?.[1];
  throw missing(
    `these libraries are missing or do not load: ${lost.map((name) => `${name} (${originOf(name, cuda)})`).join(', ')}. ` +
      'After installing them, add their folder to LD_LIBRARY_PATH or to the configuration of ldconfig',
  );
}

const driver = 'libcuda.so.1';

const getProvider =
  'Run the install script of onnxruntime-node ("npm install onnxruntime-node" or "pnpm add ' +
  '--allow-build=onnxruntime-node onnxruntime-node"), or set DM_CUDA_PROVIDER to the folder lib of a release of ONNX ' +
  'Runtime for Linux x64 with GPU support, which has libonnxruntime.so.1 and both provider files of one version';

const missing = (message: string) => new EngineError('DEVICE_UNUSABLE', message);

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
function originOf(name: string, cuda = ''): string {
  if (name.startsWith('libcuda.')) return 'the NVIDIA driver';
  const toolkit = `CUDA ${cuda}`.trim();
  return name.startsWith('libcudnn') ? `cuDNN for ${toolkit}` : `the ${toolkit} toolkit`;
}
