/**
 * Writes `assets/fashion-mnist-14.png` from the four files of Fashion-MNIST: `node fashion-sprite.mjs <folder>`. Debian's
 * package dataset-fashion-mnist installs them in /usr/share/datasets/fashion-mnist.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { halveImages } from '@dm/data';
import sharp from 'sharp';

/** Images per class; they are the first ones of the training set. Image n of the sprite has class n % 10. */
const perClass = 240;
const classes = 10;
const columns = 50;
const [full, side] = [28, 14];

const folder = process.argv[2];
if (folder === undefined) throw new Error('Use: node fashion-sprite.mjs <folder>');
const read = (name, header) => gunzipSync(readFileSync(join(folder, name))).subarray(header);
const labels = read('train-labels-idx1-ubyte.gz', 8);
const images = read('train-images-idx3-ubyte.gz', 16);

const rows = (perClass * classes) / columns;
const sprite = Buffer.alloc(rows * side * columns * side);
const seen = new Uint32Array(classes);
labels.forEach((label, n) => {
  const at = seen[label]++ * classes + label;
  if (at >= perClass * classes) return;
  const small = halveImages(images.subarray(n * full * full, (n + 1) * full * full), [full, full, 1]);
  const [top, left] = [Math.floor(at / columns) * side, (at % columns) * side];
  for (let y = 0; y < side; y++) {
    sprite.set(small.subarray(y * side, (y + 1) * side), (top + y) * columns * side + left);
  }
});
const path = fileURLToPath(new URL('assets/fashion-mnist-14.png', import.meta.url));
const { size } = await sharp(sprite, { raw: { width: columns * side, height: rows * side, channels: 1 } })
  .toColourspace('b-w')
  .png({ compressionLevel: 9, effort: 10 })
  .toFile(path);
console.log(`${path}: ${perClass * classes} images, ${size} bytes`);
