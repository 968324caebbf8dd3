import type { FileHandle } from 'node:fs/promises';
import type { Dataset } from '../dataset.js';
import { DataError } from '../errors.js';
import { fileError, readAt, withFile } from '../io/read-file.js';
import { toLabels } from '../checks.js';
import { createContentHash } from '../content-hash.js';
import { checkLimit, resolveLimits, type DataLimits } from '../limits.js';
import { createMemoryDataset } from './memory.js';
import { NPY_PREFIX_BYTES, npyHeaderBytes, parseNpyHeader, type NpyArray, type NpyHeader } from '../formats/npy.js';
import { readNpz } from '../formats/npy-files.js';
import { readRawImages } from '../io/raw-images.js';

const IMAGE_NAMES = ['images', 'x', 'arr_0'];
const LABEL_NAMES = ['labels', 'y', 'arr_1'];
/** Images per read of `hash` of a .npy file. */
const HASH_BATCH = 256;

/**
 * Images from a .npz file: uint8 [N, H, W] or [N, H, W, C] named `images`, `x` or `arr_0` (as in guided-diffusion's
 * reference batches), and optional integer labels [N] named `labels`, `y` or `arr_1`.
 * @throws {DataError} if the file is damaged, or an array is missing or has another type or shape
 */
export async function openNpz(path: string, limits: Partial<DataLimits> = {}): Promise<Dataset> {
  const arrays = await readNpz(path, limits);
  const nameOf = (names: readonly string[]) => names.find((name) => Object.hasOwn(arrays, name));
  const found = nameOf(IMAGE_NAMES);
  if (found === undefined) {
    throw new DataError(
      `${path}: no array named ${IMAGE_NAMES.join(', ')}; it has: ${Object.keys(arrays).join(', ') || 'none'}.`,
    );
  }
  const { data, shape, isBool } = arrays[found]!;
  const imageShape = shapeOfImages(`${path}: ${found}`, isBool ? 'bool' : data.constructor.name, shape);
  checkLimit(`${path}: images`, shape[0]!, resolveLimits(limits), 'maxImages');
  const labelName = nameOf(LABEL_NAMES);
  return createMemoryDataset({
    name: path,
    images: data as Uint8Array,
    shape: imageShape,
    ...(labelName !== undefined && { labels: labelsOf(`${path}: ${labelName}`, arrays[labelName]!, shape[0]!) }),
  });
}

/**
 * Images from a .npy file, uint8 [N, H, W] or [N, H, W, C], without labels. Images are read on demand, so the file may
 * be larger than memory.
 * @throws {DataError} if the file is damaged or has another type or shape
 */
export async function openNpy(path: string): Promise<Dataset> {
  const { header, size } = await withFile(path, async (file) => ({
    header: await readHeader(file, path),
    size: (await file.stat()).size,
  }));
  const { shape, type, isBool, dataStart } = header;
  const imageShape = shapeOfImages(path, isBool ? 'bool' : type.name, shape);
  const [height, width, channels] = imageShape;
  const length = shape[0]!;
  const layout = { path, start: dataStart, imageBytes: height * width * channels, length };
  if (size - dataStart !== length * layout.imageBytes) {
    throw new DataError(
      `${path}: [${shape.join(', ')}] needs ${length * layout.imageBytes} bytes, but ${size - dataStart} follow the header.`,
      { code: 'DATA_CORRUPT' },
    );
  }
  let hash: Promise<string> | undefined;
  const read = (indices: ArrayLike<number>) => readRawImages(layout, indices);
  const hashAll = async (): Promise<string> => {
    const sum = createContentHash();
    for (let start = 0; start < length; start += HASH_BATCH) {
      const count = Math.min(HASH_BATCH, length - start);
      sum.add((await read(Array.from({ length: count }, (_, i) => start + i))).images);
    }
    return sum.digest();
  };
  return {
    name: path,
    length,
    shape: imageShape,
    classes: [],
    hash() {
      hash ??= hashAll();
      return hash;
    },
    read,
  };
}

async function readHeader(file: FileHandle, path: string): Promise<NpyHeader> {
  const { size } = await file.stat().catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  const prefix = await readAt(file, path, 0, Math.min(size, NPY_PREFIX_BYTES));
  return parseNpyHeader(await readAt(file, path, 0, Math.min(size, npyHeaderBytes(prefix, path))), path);
}

/**
 * [H, W, C] of an array of images.
 * @throws {DataError} if it is not uint8 [N, H, W] or [N, H, W, C]
 */
function shapeOfImages(name: string, type: string, shape: readonly number[]): [number, number, number] {
  if (type === 'bool') {
    throw new DataError(`${name} is bool; images are uint8. In NumPy, images.astype(np.uint8) * 255 makes true white.`);
  }
  if (type !== 'Uint8Array' || shape.length < 3 || shape.length > 4) {
    throw new DataError(`${name} is ${type} [${shape.join(', ')}]; images must be uint8 [N, H, W] or [N, H, W, C].`);
  }
  const [count = 0, height = 0, width = 0, channels = 1] = shape;
  if (count < 1) throw new DataError(`${name}: no images: its shape is [${shape.join(', ')}].`, { code: 'DATA_EMPTY' });
  if (height < 1 || width < 1 || (channels !== 1 && channels !== 3)) {
    throw new DataError(`${name} is [${shape.join(', ')}]; images must be [N, H, W] or [N, H, W, C] with C = 1 or 3.`);
  }
  return [height, width, channels];
}

function labelsOf(name: string, { data, shape }: NpyArray, count: number): Int32Array {
  if (shape.length !== 1 || shape[0] !== count) {
    throw new DataError(`${name} is [${shape.join(', ')}]; expected [${count}], one label per image.`);
  }
  return toLabels(name, data);
}
