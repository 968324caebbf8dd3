import type { Dataset } from './dataset.js';
import { memoryDataset } from './memory.js';
import { readNpz } from './npy.js';

const IMAGE_NAMES = ['images', 'x', 'arr_0'];
const LABEL_NAMES = ['labels', 'y', 'arr_1'];

/**
 * Images from a .npz file: uint8 [N, H, W] or [N, H, W, C] under `images`, `x` or `arr_0` (as guided-diffusion's
 * reference batches have it), integer labels [N] under `labels`, `y` or `arr_1` where there are any. Throws an Error
 * that names the arrays where there are no images, or labels that do not fit them.
 */
export async function openNpz(path: string): Promise<Dataset> {
  const arrays = await readNpz(path);
  const found = IMAGE_NAMES.find((name) => arrays[name]);
  if (found === undefined) {
    throw new Error(
      `${path}: no array named ${IMAGE_NAMES.join(', ')}; it has: ${Object.keys(arrays).join(', ') || 'none'}.`,
    );
  }
  const { data, shape } = arrays[found]!;
  if (!(data instanceof Uint8Array) || shape.length < 3 || shape.length > 4) {
    throw new Error(
      `${path}: ${found} is ${data.constructor.name} [${shape.join(', ')}]; images are uint8 [N, H, W] or [N, H, W, C].`,
    );
  }
  const [count, height, width, channels = 1] = shape;
  const labelName = LABEL_NAMES.find((name) => arrays[name]);
  const labels = labelName === undefined ? undefined : arrays[labelName]!;
  if (labels && (labels.shape.length !== 1 || labels.shape[0] !== count)) {
    throw new Error(`${path}: ${labelName} is [${labels.shape.join(', ')}]; expected [${count}], one label an image.`);
  }
  return memoryDataset({
    name: path,
    images: data,
    shape: [height!, width!, channels],
    ...(labels && { labels: Array.from(labels.data, Number) }),
  });
}
