import { checkChoice } from '@dm/ops';
import type { FileHandle } from 'node:fs/promises';
import type { Dataset, FloatType } from '../dataset.js';
import { DataError } from '../errors.js';
import { fileError, readAt, readBytes, withFile } from '../io/read-file.js';
import { checkIndices, numberedClasses, toLabels } from '../checks.js';
import { createContentHash } from '../content-hash.js';
import { checkLimit, resolveLimits, type DataLimits } from '../limits.js';
import { createMemoryDataset } from './memory.js';
import {
  floatsFromHalves,
  NPY_PREFIX_BYTES,
  npyHeaderBytes,
  parseNpyHeader,
  type NpyArray,
  type NpyHeader,
} from '../formats/npy.js';
import { openNpzArrays } from '../formats/npy-files.js';
import { readRawImages } from '../io/raw-images.js';
import { bytesOfFloats, channelsLast, floatDataset } from './float-dataset.js';

/** Order of the axes of float arrays in files: [N, C, H, W], as PyTorch's, or [N, H, W, C]. */
export const floatLayouts = ['NCHW', 'NHWC'] as const;
export type FloatLayout = (typeof floatLayouts)[number];

const IMAGE_NAMES = ['images', 'x', 'arr_0', 'latents'];
const LABEL_NAMES = ['labels', 'y', 'arr_1'];
/** Images per read of `hash` of a .npy file. */
const HASH_BATCH = 256;

/**
 * Images from a .npz file: uint8 [N, H, W] or [N, H, W, C] named `images`, `x` or `arr_0` (as in guided-diffusion's
 * reference batches), and optional integer labels [N] named `labels`, `y` or `arr_1`. Or latents: float16 or float32
 * [N, C, H, W] of any number of channels, also named `latents`; [N, H, W, C] with the layout `NHWC`.
 * @throws {DataError} if the file is damaged, or an array is missing or has another type or shape
 * @throws {RangeError} if the layout is unknown
 */
export async function openNpz(
  path: string,
  limits: Partial<DataLimits> = {},
  layout: FloatLayout = 'NCHW',
): Promise<Dataset> {
  checkChoice('openNpz: layout', layout, floatLayouts);
  const arrays = await openNpzArrays(await readBytes(path), path, limits);
  const nameOf = (names: readonly string[]) => names.find((name) => arrays.names.includes(name));
  const found = nameOf(IMAGE_NAMES);
  if (found === undefined) {
    throw new DataError(
      `${path}: no array named ${IMAGE_NAMES.join(', ')}; it has: ${arrays.names.join(', ') || 'none'}.`,
    );
  }
  const { data, shape, isBool, isHalf } = await arrays.read(found);
  if (data instanceof Float32Array) {
    const floatShape = shapeOfFloats(`${path}: ${found}`, shape, layout);
    checkLimit(`${path}: latents`, shape[0]!, resolveLimits(limits), 'maxImages');
    const labelsAt = nameOf(LABEL_NAMES);
    return floatsInMemory({
      name: path,
      values: layout === 'NCHW' ? channelsLast(data, floatShape) : data,
      shape: floatShape,
      dtype: isHalf === true ? 'float16' : 'float32',
      labels:
        labelsAt === undefined ? undefined : labelsOf(`${path}: ${labelsAt}`, await arrays.read(labelsAt), shape[0]!),
    });
  }
  const imageShape = shapeOfImages(`${path}: ${found}`, isBool ? 'bool' : data.constructor.name, shape);
  checkLimit(`${path}: images`, shape[0]!, resolveLimits(limits), 'maxImages');
  const labelName = nameOf(LABEL_NAMES);
  return createMemoryDataset({
    name: path,
    images: data as Uint8Array,
    shape: imageShape,
    ...(labelName !== undefined && {
      labels: labelsOf(`${path}: ${labelName}`, await arrays.read(labelName), shape[0]!),
    }),
  });
}

/**
 * Images from a .npy file, uint8 [N, H, W] or [N, H, W, C], without labels; or latents, as for `openNpz`. Images are
 * read on demand, so the file may be larger than memory.
 * @throws {DataError} if the file is damaged or has another type or shape
 * @throws {RangeError} if the layout is unknown
 */
export async function openNpy(path: string, layout: FloatLayout = 'NCHW'): Promise<Dataset> {
  checkChoice('openNpy: layout', layout, floatLayouts);
  const { header, size } = await withFile(path, async (file) => ({
    header: await readHeader(file, path),
    size: (await file.stat()).size,
  }));
  const { shape, type, isBool, dataStart, descr } = header;
  const dtype = floatTypes[descr];
  const imageShape =
    dtype === undefined ? shapeOfImages(path, isBool ? 'bool' : type.name, shape) : shapeOfFloats(path, shape, layout);
  const [height, width, channels] = imageShape;
  const length = shape[0]!;
  const imageBytes = height * width * channels * (dtype === undefined ? 1 : type.BYTES_PER_ELEMENT);
  const file = { path, start: dataStart, imageBytes, length };
  if (size - dataStart !== length * imageBytes) {
    throw new DataError(
      `${path}: [${shape.join(', ')}] needs ${length * imageBytes} bytes, but ${size - dataStart} follow the header.`,
      { code: 'DATA_CORRUPT' },
    );
  }
  let hash: Promise<string> | undefined;
  const read = (indices: ArrayLike<number>) => readRawImages(file, indices);
  if (dtype !== undefined) {
    const readFloats = async (indices: ArrayLike<number>) => {
      const values = floatsOfBytes((await read(indices)).images, dtype);
      return { values: layout === 'NCHW' ? channelsLast(values, imageShape) : values };
    };
    const about = { name: path, length, shape: imageShape, classes: [], dtype };
    return floatDataset({ ...about, read: readFloats, hash: () => hashOfFloats(length, readFloats) });
  }
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

const floatTypes: Readonly<Record<string, FloatType>> = { '<f2': 'float16', '<f4': 'float32' };

/** Decodes little-endian floats, as float32. */
export function floatsOfBytes(bytes: Uint8Array, dtype: FloatType): Float32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return dtype === 'float32'
    ? new Float32Array(buffer, byteOffset, byteLength / 4)
    : floatsFromHalves(new Uint16Array(buffer, byteOffset, byteLength / 2));
}

/** SHA-256 of all float32 values [N, H, W, C], and of the labels. */
export async function hashOfFloats(
  length: number,
  read: (indices: ArrayLike<number>) => Promise<{ readonly values: Float32Array; readonly labels?: Int32Array }>,
): Promise<string> {
  const sum = createContentHash();
  const labels: number[] = [];
  let isLabeled = false;
  for (let start = 0; start < length; start += HASH_BATCH) {
    const count = Math.min(HASH_BATCH, length - start);
    const batch = await read(Array.from({ length: count }, (_, i) => start + i));
    sum.add(bytesOfFloats(batch.values));
    isLabeled = batch.labels !== undefined;
    for (const label of batch.labels ?? []) labels.push(label);
  }
  return sum.digest(isLabeled ? Int32Array.from(labels) : undefined);
}

interface FloatsInMemory {
  readonly name: string;
  /** [N, H, W, C]. */
  readonly values: Float32Array;
  readonly shape: readonly [number, number, number];
  readonly dtype: FloatType;
  readonly labels: Int32Array | undefined;
}

function floatsInMemory({ name, values, shape, dtype, labels }: FloatsInMemory): Dataset {
  const size = shape.reduce((product, side) => product * side, 1);
  const length = values.length / size;
  const numbered = labels && numberedClasses(labels);
  const read = (indices: ArrayLike<number>) =>
    Promise.resolve().then(() => {
      checkIndices(indices, length);
      const out = new Float32Array(indices.length * size);
      for (let i = 0; i < indices.length; i++) {
        out.set(values.subarray(indices[i]! * size, (indices[i]! + 1) * size), i * size);
      }
      return { values: out, ...(labels && { labels: Int32Array.from(indices, (index) => labels[index]!) }) };
    });
  return floatDataset({
    name,
    length,
    shape,
    classes: numbered?.classes ?? [],
    ...(numbered && numbered.notes.length > 0 && { notes: numbered.notes }),
    dtype,
    read,
    hash: () => hashOfFloats(length, read),
  });
}

/**
 * [H, W, C] of an array of latents.
 * @throws {DataError} if it is not [N, C, H, W], or [N, H, W, C] in the layout NHWC
 */
function shapeOfFloats(name: string, shape: readonly number[], layout: FloatLayout): [number, number, number] {
  const axes = layout === 'NCHW' ? '[N, C, H, W]' : '[N, H, W, C]';
  if (shape.length !== 4) {
    throw new DataError(`${name} is Float32Array [${shape.join(', ')}]; latents must be ${axes}.`);
  }
  if (shape[0]! < 1)
    throw new DataError(`${name}: no latents: its shape is [${shape.join(', ')}].`, { code: 'DATA_EMPTY' });
  const [height, width, channels] = (layout === 'NCHW' ? [2, 3, 1] : [1, 2, 3]).map((axis) => shape[axis]!);
  if (height! < 1 || width! < 1 || channels! < 1) {
    throw new DataError(`${name} is [${shape.join(', ')}]; each axis of ${axes} must be at least 1.`);
  }
  return [height!, width!, channels!];
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
    throw new DataError(
      `${name} is ${type} [${shape.join(', ')}]; images must be uint8 [N, H, W] or [N, H, W, C], latents float32 or float16 [N, C, H, W].`,
    );
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
