// Small valid files in every format.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { convertToShard, createMemoryDataset, formatNpy } from '@dm/data';
import { writeStatistics } from '@dm/eval';
import { formatSafetensors, initialize, toTorch, unet2d } from '@dm/models';
import { writeCheckpoint } from '@dm/trainer';
import { zipSync } from 'fflate';
import sharp from 'sharp';

const floats = Float32Array.of(0, -1.5, 2, 3, NaN, 5);

export const safetensorsFiles = [
  formatSafetensors({ 'conv.weight': { dtype: 'float32', shape: [2, 3], data: floats } }, { format: 'pt' }),
  formatSafetensors({
    a: { dtype: 'int32', shape: [2], data: Int32Array.of(-1, 7) },
    b: { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) },
    c: { dtype: 'float32', shape: [], data: Float32Array.of(1) },
    d: { dtype: 'float32', shape: [0, 4], data: new Float32Array() },
  }),
  formatSafetensors({}),
];

/** An index of two shards, and the shards. */
export const sharded = {
  index: {
    metadata: { total_size: 48 },
    weight_map: { x: 'model-00001-of-00002.safetensors', y: 'model-00002-of-00002.safetensors' },
  },
  shards: {
    'model-00001-of-00002.safetensors': formatSafetensors({ x: { dtype: 'float32', shape: [2, 3], data: floats } }),
    'model-00002-of-00002.safetensors': formatSafetensors({ y: { dtype: 'float32', shape: [6], data: floats } }),
  },
};

const pixels = Uint8Array.from({ length: 24 }, (_, i) => i);
const imagesNpy = formatNpy({ shape: [2, 2, 2, 3], data: pixels });

export const npyFiles = [
  formatNpy({ shape: [2, 3], data: floats }),
  formatNpy({ shape: [], data: BigInt64Array.of(-3n) }),
  imagesNpy,
];

export const npzFiles = [
  zipSync(
    { 'images.npy': imagesNpy, 'labels.npy': formatNpy({ shape: [2], data: Int32Array.of(0, 1) }) },
    { level: 0 },
  ),
  zipSync({ 'arr_0.npy': imagesNpy }, { level: 9 }),
];

export const idxFiles = [
  Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8),
  Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 2),
];

export const gzippedIdxFiles = idxFiles.map((file) => gzipSync(file));
export const idxLabels = [Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 0, 1)];

/** Two records of CIFAR-10 and one of CIFAR-100. */
export const cifarFiles = [
  Uint8Array.from({ length: 2 * 3073 }, (_, i) => (i % 3073 === 0 ? 7 : i % 256)),
  Uint8Array.from({ length: 3074 }, (_, i) => i % 20),
];
export const classNames = [Buffer.from(Array.from({ length: 100 }, (_, i) => `class${i}\n`).join(''))];

export const metadataJson = {
  labels: [
    ['00000/1.png', 1],
    ['00000/2.png', 0],
  ],
};

/** Images of 3x2 pixels, by format. */
export async function imageFiles() {
  const raw = Uint8Array.from({ length: 18 }, (_, i) => 14 * i);
  const image = () => sharp(raw, { raw: { width: 3, height: 2, channels: 3 } });
  /** @type {Record<'png' | 'jpeg' | 'webp' | 'gif', [Buffer, ...Buffer[]]>} */
  const files = {
    png: [
      await image().png().toBuffer(),
      await image().png({ palette: true, progressive: true }).toBuffer(),
      await image().ensureAlpha(0.5).png().toBuffer(),
    ],
    jpeg: [
      await image().jpeg().toBuffer(),
      await image()
        .jpeg({ progressive: true })
        .withExif({ IFD0: { Copyright: 'x' } })
        .toBuffer(),
    ],
    webp: [await image().webp().toBuffer(), await image().webp({ lossless: true }).toBuffer()],
    gif: [await image().gif().toBuffer()],
  };
  return files;
}

/** Archives of images: in class folders, and with a dataset.json. @param {Uint8Array} png @param {Uint8Array} jpeg */
export function zipFiles(png, jpeg) {
  const labels = Buffer.from(JSON.stringify(metadataJson));
  return [
    zipSync({ 'a/1.png': png, 'b/2.png': png }, { level: 0 }),
    zipSync({ 'a/1.png': png, 'a/2.jpg': jpeg, 'a/readme.txt': Uint8Array.of(1) }, { level: 9 }),
    zipSync({ '00000/1.png': png, '00000/2.png': png, 'dataset.json': labels }, { level: 6 }),
  ];
}

/** Shards with and without labels. @param {string} folder */
export async function shardFiles(folder) {
  const sets = [
    createMemoryDataset({ name: 'labeled', images: pixels, shape: [2, 2, 3], labels: [0, 1], classes: ['a', 'b'] }),
    createMemoryDataset({ name: 'bare', images: pixels, shape: [2, 2, 1] }),
  ];
  return Promise.all(
    sets.map(async (set) => {
      const path = join(folder, `${set.name}.shard`);
      await convertToShard(set, path);
      return readFileSync(path);
    }),
  );
}

/** The statistics of two images with the extractor `pixels`. @param {string} folder */
export async function statisticsFiles(folder) {
  const path = join(folder, 'statistics.npz');
  await writeStatistics(path, {
    name: 'set',
    sha256: '0'.repeat(64),
    count: 2,
    shape: [2, 2, 3],
    extractor: { name: 'pixels', weightsSha256: '0'.repeat(64), resize: 'none', dimensions: 2, comparable: false },
    notes: [],
    statistics: { count: 2, dimension: 2, mean: Float64Array.of(1, 2), covariance: Float64Array.of(1, 0, 0, 1) },
    features: { dimension: 2, values: Float32Array.of(1, 2, 3, 4) },
  });
  return [readFileSync(path)];
}

/** A checkpoint folder. @param {string} folder */
export function checkpoint(folder) {
  return writeCheckpoint(
    folder,
    {
      step: 20,
      configSha256: '0'.repeat(64),
      dataSha256: '1'.repeat(64),
      engine: { name: 'onnx', info: { threads: 1 } },
      log: { loss: [1, 2] },
    },
    { 'model.safetensors': [formatSafetensors({})] },
  );
}

const bucket = { from: 0, to: 9, logSnr: 1, noiseRate: 0.1 };
const step = (/** @type {number} */ n) => ({
  step: n,
  images: 4 * n,
  loss: 1 / n,
  lossByQuarter: [1, null, 2, 3],
  gradNorm: 1,
  lr: 1e-3,
  beta1: 0.9,
  emaDecay: 0.99,
  imagesPerSecond: 10,
  dataWait: 0,
  seconds: n,
  peakMb: 100,
});

export const metricsLines = [[step(1), step(2), { ...step(3), eval: { 'FD-pixels': 2 }, skipped: 1 }]];
export const difficultyLines = [
  [
    {
      format: 1,
      weights: 'ema',
      setting: { buckets: [bucket], coordinate: 'logSnr', data: 'x', images: 2, seed: 0, prediction: 'epsilon' },
    },
    { step: 1, loss: [1], gradNorm: [2] },
  ],
];

export const experimentResults = {
  experiment: 'x',
  configuration: 'laptop',
  claim: 'c',
  inShort: 's',
  verdict: 'open',
  sentences: ['A sentence.'],
  isComplete: true,
  seeds: [1],
  command: 'nx',
  machine: { cpu: 'x', cores: 2, node: '20', onnxruntime: '1' },
  trialMinutes: 1,
  tables: [{ title: 't', columns: ['a'], rows: [['1']] }],
  figures: [],
};

export const lock = { pid: 999_999_999, host: 'elsewhere' };

/** A diffusers pipeline folder with a network of a few hundred parameters. @param {string} folder */
export function pipeline(folder) {
  const config = {
    _class_name: 'UNet2DModel',
    sample_size: 4,
    in_channels: 1,
    out_channels: 1,
    block_out_channels: [2],
    down_block_types: ['DownBlock2D'],
    up_block_types: ['UpBlock2D'],
    layers_per_block: 1,
    norm_num_groups: 1,
    add_attention: false,
  };
  const index = {
    _class_name: 'DDPMPipeline',
    scheduler: ['diffusers', 'DDPMScheduler'],
    unet: ['diffusers', 'UNet2DModel'],
  };
  const scheduler = {
    _class_name: 'DDPMScheduler',
    num_train_timesteps: 20,
    beta_start: 1e-4,
    beta_end: 0.02,
    beta_schedule: 'linear',
    prediction_type: 'epsilon',
    clip_sample: true,
  };
  const model = unet2d(/** @type {any} */ (config));
  const weights = formatSafetensors(toTorch(model, initialize(model, 1)));
  for (const name of ['unet', 'scheduler']) mkdirSync(join(folder, name), { recursive: true });
  /** @type {Record<string, Uint8Array | object>} */
  const files = {
    'model_index.json': index,
    'scheduler/scheduler_config.json': scheduler,
    'unet/config.json': config,
    'unet/diffusion_pytorch_model.safetensors': weights,
  };
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), content instanceof Uint8Array ? content : JSON.stringify(content));
  }
  return files;
}

/** @param {Uint8Array | string} bytes */
export const sha256 = (bytes) => createHash('sha256').update(bytes).digest();
