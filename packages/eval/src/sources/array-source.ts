import { createHash } from 'node:crypto';
import { readNpy, readNpz, toBytes, type NpyArray } from '@dm/data';
import { EvalError } from '../errors.js';
import { subsetHash, selectIndices, type ImageSource, type SourceOptions } from './image-source.js';

/** Names of the image array in an .npz, in the order they are tried. */
const IMAGE_NAMES = ['images', 'samples', 'x', 'arr_0'];

/**
 * Images from a .npy, or from the array `images`, `samples`, `x` or `arr_0` of an .npz: [N, H, W] or [N, H, W, C],
 * uint8 or floats in [-1, 1], which are rounded to uint8 as in a PNG.
 * @throws {EvalError} if the array is missing, or has another shape, type, or range; the message names the file
 */
export async function openArraySource(path: string, options: SourceOptions = {}): Promise<ImageSource> {
  if (!path.toLowerCase().endsWith('.npz')) return createArraySource(path, await readNpy(path), options);
  const arrays = await readNpz(path);
  const name = IMAGE_NAMES.find((key) => Object.hasOwn(arrays, key));
  if (name === undefined) {
    throw new EvalError(
      'SET_INVALID',
      `${path}: no array named ${IMAGE_NAMES.join(', ')}; it has: ${Object.keys(arrays).join(', ') || 'none'}.`,
    );
  }
  return createArraySource(`${path}/${name}`, arrays[name]!, options);
}

/**
 * Images in memory, as `openArraySource`. Images with values that are not finite are bad.
 * @throws {EvalError} if the shape, type, or range is unsupported, or an image is bad and `skipBad` is not set
 */
export function createArraySource(
  name: string,
  { shape, data, isBool }: NpyArray,
  options: SourceOptions = {},
): ImageSource {
  const [count = 0, height = 0, width = 0, channels = 1] = shape;
  if (shape.length < 3 || shape.length > 4 || (channels !== 1 && channels !== 3) || height < 1 || width < 1) {
    throw new EvalError(
      'SET_INVALID',
      `${name} is [${shape.join(', ')}]; images must be [N, H, W] or [N, H, W, C] with C = 1 or 3.`,
    );
  }
  if (isBool) {
    throw new EvalError(
      'SET_INVALID',
      `${name} is bool; images are uint8 or floats in [-1, 1]. In NumPy, images.astype(np.uint8) * 255 makes true white.`,
    );
  }
  if (!(data instanceof Uint8Array || data instanceof Float32Array || data instanceof Float64Array)) {
    throw new EvalError(
      'SET_INVALID',
      `${name} is ${data.constructor.name}; images must be uint8 or floats in [-1, 1].`,
    );
  }
  const pixels = height * width * channels;
  const chosen = selectIndices(name, count, options);
  const notes: string[] = [];
  if (!(data instanceof Uint8Array)) checkRange(name, data, notes);
  const skipped: string[] = [];
  const sha256 = createHash('sha256')
    .update(JSON.stringify([shape, data.constructor.name]))
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');
  return {
    name,
    shape: [height, width, channels],
    length: chosen.length,
    sha256: subsetHash(sha256, chosen),
    // Async because other sources await here.
    // oxlint-disable-next-line require-await
    async *batches(size) {
      for (let start = 0; start < chosen.length; start += size) {
        const good = [...chosen.subarray(start, start + size)].filter((index) => {
          const fault = faultOf(data.subarray(index * pixels, (index + 1) * pixels));
          if (fault === undefined) return true;
          const what = `${name}: image ${index} ${fault}`;
          if (options.skipBad !== true) throw new EvalError('SET_INVALID', `${what}. --skip-bad skips such images.`);
          skipped.push(what);
          return false;
        });
        const bytes = new Uint8Array(good.length * pixels);
        good.forEach((index, n) => {
          const image = data.subarray(index * pixels, (index + 1) * pixels);
          bytes.set(image instanceof Uint8Array ? image : toBytes(Float32Array.from(image)), n * pixels);
        });
        if (good.length > 0) yield bytes;
      }
    },
    skipped,
    notes,
  };
}

function faultOf(image: Uint8Array | Float32Array | Float64Array): string | undefined {
  if (image instanceof Uint8Array) return undefined;
  const at = image.findIndex((value) => !Number.isFinite(value));
  return at < 0 ? undefined : `has the value ${image[at]} at position ${at}`;
}

/** Without this check, floats in [0, 255] would silently become white, and [0, 1] would use half of the range. */
function checkRange(name: string, data: Float32Array | Float64Array, notes: string[]): void {
  let [low, high] = [Infinity, -Infinity];
  for (const value of data) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low < -2 || high > 2) {
    throw new EvalError(
      'SET_INVALID',
      `${name} has values from ${low.toPrecision(4)} to ${high.toPrecision(4)}; floats must be in [-1, 1]. Rescale them, or save the images as uint8.`,
    );
  }
  if (low >= 0) notes.push(`${name} has no value below 0: floats are interpreted as [-1, 1], not [0, 1].`);
}
