import { readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { DataError, halveImages, openEmoji, openMnist } from '@dm/data';
import sharp from 'sharp';
import { defineConfig, type Plugin } from 'vite';
import { formatImages } from './src/data/format.js';
import type { TrainingImages } from './src/worker/messages.js';

/** The headers of a page that may use threads. */
const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

async function digits(count: number): Promise<TrainingImages> {
  const mnist = await openMnist({ from: import.meta.url });
  const { shape, classes } = mnist;
  const { images, labels } = await mnist.read(Array.from({ length: count }, (_, i) => i));
  return {
    name: 'MNIST, 28x28',
    images: Uint8Array.from(images),
    shape: [shape[0], shape[1], shape[2]],
    labels: Uint8Array.from(labels!),
    classes,
  };
}

async function smallDigits(count: number): Promise<TrainingImages> {
  const { images, ...large } = await digits(count);
  return { ...large, name: 'MNIST, 14x14', images: halveImages(images, large.shape), shape: [14, 14, 1] };
}

/** Names of Fashion-MNIST's classes, in their order. */
const garments = [
  'T-shirt',
  'trousers',
  'pullover',
  'dress',
  'coat',
  'sandal',
  'shirt',
  'sneaker',
  'bag',
  'ankle boot',
] as const;

/** The images of the sprite that `fashion-sprite.mjs` wrote: image n has class n % 10. */
async function fashion(): Promise<TrainingImages> {
  const side = 14;
  const sprite = sharp(fileURLToPath(new URL('assets/fashion-mnist-14.png', import.meta.url)));
  const { data, info } = await sprite.raw().toBuffer({ resolveWithObject: true });
  const columns = info.width / side;
  const count = (columns * info.height) / side;
  const images = new Uint8Array(count * side ** 2);
  for (let n = 0; n < count; n++) {
    for (let y = 0; y < side; y++) {
      const at = (Math.floor(n / columns) * side + y) * info.width + (n % columns) * side;
      images.set(data.subarray(at, at + side), (n * side + y) * side);
    }
  }
  return {
    name: 'Fashion-MNIST, 14x14',
    images,
    shape: [side, side, 1],
    labels: Uint8Array.from({ length: count }, (_, n) => n % garments.length),
    classes: garments,
  };
}

/** The emoji in one list without classes, or undefined if their npm package (74 MB) is not installed. */
async function emoji(): Promise<TrainingImages | undefined> {
  try {
    const data = await openEmoji({ size: 16, from: new URL('.cache/emoji', import.meta.url).href });
    const { images } = await data.read(Array.from({ length: data.length }, (_, i) => i));
    return { name: 'Emoji, 16x16', images: Uint8Array.from(images), shape: [16, 16, 3], classes: [] };
  } catch (error) {
    if (error instanceof DataError && error.code === 'DATA_NOT_INSTALLED') return undefined;
    throw error;
  }
}

/** Adds the data sets as files `data/<name>.images`. */
function dataSets(): Plugin {
  return {
    name: 'playground-data',
    apply: 'build',
    async generateBundle() {
      const sets = {
        mnist14: await smallDigits(6000),
        fashion14: await fashion(),
        mnist28: await digits(4000),
        emoji16: await emoji(),
      };
      for (const [name, images] of Object.entries(sets)) {
        if (images === undefined) {
          this.info('emoji are left out: they need npm run playground -- --emoji');
          continue;
        }
        this.emitFile({
          type: 'asset',
          fileName: `data/${name}.images`,
          source: gzipSync(formatImages(images), { level: 9 }),
        });
      }
    },
  };
}

/** Adds the service worker, with the lists of the files that it stores. The WebGPU runtime is stored when first used. */
function serviceWorker(): Plugin {
  return {
    name: 'playground-service-worker',
    apply: 'build',
    enforce: 'post',
    generateBundle(_options, bundle) {
      const all = Object.keys(bundle)
        .filter((file) => !file.endsWith('.map'))
        .toSorted();
      const isLater = (file: string): boolean => /webgpu|jspi/.test(file);
      const files = all.filter((file) => !isLater(file));
      const version = createHash('sha256');
      for (const file of files) {
        const entry = bundle[file]!;
        version.update(file).update(entry.type === 'chunk' ? entry.code : entry.source);
      }
      const source = readFileSync(new URL('src/service-worker.js', import.meta.url), 'utf8')
        .replace('__VERSION__', version.digest('hex').slice(0, 16))
        .replace("['__FILES__']", JSON.stringify(['./', ...files]))
        .replace("['__LATER_FILES__']", JSON.stringify(all.filter(isLater)));
      this.emitFile({ type: 'asset', fileName: 'service-worker.js', source });
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [dataSets(), serviceWorker()],
  worker: { format: 'es' },
  build: { target: 'es2022', emptyOutDir: true, chunkSizeWarningLimit: 2000 },
  preview: { headers: isolation },
});
