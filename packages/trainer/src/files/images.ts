/** Writing images to files. */
import { basename, extname } from 'node:path';
import { channelsFirst, formatNpy, imageGrid, toBytes, writeNpz, type FloatLayout } from '@dm/data';
import { fileKind } from '@dm/files';
import { UserError } from '../errors.js';
import { atomicWriteFile, writeError } from './atomic-write.js';
import { checkParentFolder } from './check-output.js';
import { checkNotExisting, writeNewFolder } from './write-new.js';

export interface Images {
  /** float32 [N, H, W, C], nominally in [-1, 1]; the model may overshoot. */
  readonly images: Float32Array;
  readonly shape: readonly [number, number, number, number];
  /** Class of each image, [N]; absent for an unconditional model. */
  readonly labels?: Int32Array;
  /**
   * Set if these are latents, of any number of channels, in the scale of the data; and the order of the axes in files.
   */
  readonly latents?: { readonly layout: FloatLayout };
}

const imageFormats = ['.png', '.npy', '.npz', ''] as const;
type ImageFormat = (typeof imageFormats)[number];

/** The file format of a path, by its extension; '' for a folder. */
function formatOf(path: string): ImageFormat {
  const format = /[\\/]$/.test(path) ? '' : extname(path).toLowerCase();
  if ((imageFormats as readonly string[]).includes(format)) return format as ImageFormat;
  throw new UserError(
    `${path}: name a .png (one grid), a .npz (bytes and labels), a .npy (float32), or a folder for single images ` +
      `(${basename(path)}/).`,
  );
}

/**
 * Checks before the work that `writeImages` can write to `path`.
 *
 * @throws {UserError} if the extension is unknown, the path exists, or its folder is missing or not writable
 */
export function checkImageOutput(path: string): void {
  const isFolder = formatOf(path) === '';
  if (isFolder) checkNotExisting(path);
  else if (fileKind(path) === 'folder') {
    throw new UserError(`${path} is a folder. Append the name of the file to write, or a slash for single images.`, {
      code: 'FILE_EXISTS',
    });
  }
  checkParentFolder('--out', path);
}

/**
 * @throws {UserError} if latents cannot be written to `path`: only `.npz` and `.npy` hold them
 */
export function checkLatentOutput(path: string): void {
  const format = formatOf(path);
  if (format === '.npz' || format === '.npy') return;
  throw new UserError(
    `${path}: the model generates latents, which are not images. Give a decoder (--decoder), or name a .npz ` +
      '(latents and labels) or a .npy.',
    { code: 'OPTION_INVALID' },
  );
}

/** Small images are enlarged to about this many pixels, to make them visible. */
const cellPixels = 56;

/** Renders a grid of images as a PNG; of latents, as `latentPreview` shows them. */
export async function gridPng(result: Images): Promise<Uint8Array> {
  const { images, shape } = result.latents === undefined ? result : latentPreview(result);
  const [, h, w, c] = shape;
  const scale = Math.max(1, Math.floor(cellPixels / Math.max(h, w)));
  return imageGrid(images, { shape: [h, w, c], scale });
}

/**
 * Latents as images: the first three channels (or the first, of fewer than three), with two standard deviations around the
 * mean of all samples as the range of colors.
 */
function latentPreview({ images, shape }: Images): Images {
  const [count, h, w, channels] = shape;
  const shown = channels < 3 ? 1 : 3;
  const pixels = count * h * w;
  const out = new Float32Array(pixels * shown);
  for (let c = 0; c < shown; c++) {
    let [sum, squares] = [0, 0];
    for (let i = 0; i < pixels; i++) {
      const value = images[i * channels + c]!;
      sum += value;
      squares += value ** 2;
    }
    const mean = sum / pixels;
    const range = 2 * Math.sqrt(Math.max(squares / pixels - mean ** 2, 1e-12));
    for (let i = 0; i < pixels; i++) out[i * shown + c] = (images[i * channels + c]! - mean) / range;
  }
  return { images: out, shape: [count, h, w, shown] };
}

/** Latents as arrays by the names in .npz files, float32 in the layout of the data. */
function latentArrays({ images, shape, labels, latents }: Images) {
  const [n, h, w, c] = shape;
  const isFirst = latents!.layout === 'NCHW';
  return {
    arr_0: { shape: isFirst ? [n, c, h, w] : [...shape], data: isFirst ? channelsFirst(images, [h, w, c]) : images },
    ...(labels !== undefined && { arr_1: { shape: [labels.length], data: labels } }),
  };
}

/**
 * Atomically writes images in the format of the path's extension: a grid (`.png`); float32 (`.npy`); uint8
 * `arr_0` [N, H, W, C] and, if there are labels, `arr_1` [N], as guided-diffusion's evaluator reads them (`.npz`); or a
 * new folder of PNGs with a `dataset.json` of their labels, which `folder:` reads. Latents are written as float32 in the
 * layout of the data (`.npy`, `.npz`), which `--data` reads.
 *
 * @throws {UserError} if the file name has another extension, or the file cannot be written
 */
export async function writeImages(path: string, result: Images): Promise<void> {
  const { images, shape, labels } = result;
  if (result.latents !== undefined) {
    checkLatentOutput(path);
    const arrays = latentArrays(result);
    if (formatOf(path) === '.npy') return atomicWriteFile(path, formatNpy(arrays.arr_0));
    return writeArrays(path, arrays);
  }
  switch (formatOf(path)) {
    case '.png':
      return atomicWriteFile(path, await gridPng(result));
    case '.npy':
      return atomicWriteFile(path, formatNpy({ shape: [...shape], data: images }));
    case '.npz': {
      const arrays = {
        arr_0: { shape: [...shape], data: toBytes(images) },
        ...(labels !== undefined && { arr_1: { shape: [labels.length], data: labels } }),
      };
      return writeArrays(path, arrays);
    }
    case '':
      return writeNewFolder(path, await singleImages(result));
  }
}

function writeArrays(path: string, arrays: Parameters<typeof writeNpz>[1]): Promise<void> {
  return writeNpz(path, arrays).catch((error: unknown) => {
    throw writeError(path, error);
  });
}

/** `0000.png` and so on, as many digits as the last one needs, and their labels as EDM's dataset tool writes them. */
async function singleImages({ images, shape, labels }: Images): Promise<Record<string, Uint8Array | string>> {
  const [count, ...imageShape] = shape;
  const size = images.length / count;
  const digits = Math.max(4, String(count - 1).length);
  const files: Record<string, Uint8Array | string> = {};
  const pairs: [string, number][] = [];
  for (let i = 0; i < count; i++) {
    const name = `${String(i).padStart(digits, '0')}.png`;
    files[name] = await imageGrid(images.subarray(i * size, (i + 1) * size), { shape: imageShape, gap: 0 });
    if (labels !== undefined) pairs.push([name, labels[i]!]);
  }
  return labels === undefined ? files : { ...files, 'dataset.json': `${JSON.stringify({ labels: pairs })}\n` };
}
