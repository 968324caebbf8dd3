/** What `scaling.mjs` varies: each axis with the sizes of one part of a model, and the cost that is expected. */

/**
 * @typedef {object} Axis
 * @property {string} name
 * @property {readonly number[]} sizes Ascending, at least three.
 * @property {number | 'flops'} expected Slope of the time in the upper part of the axis; `flops` for the slope of the
 * counted operations of products, if these do not follow a power of the size.
 * @property {number} memory Expected slope of the memory that the step adds; an upper bound.
 * @property {(size: number) => Pick<import('./cases.mjs').Case, 'model' | 'config' | 'batch'>} caseOf
 */

/** A UNet without attention, so that its cost is proportional to the number of pixels. @param {Record<string, unknown>} [part] */
const unet = (part) => ({
  sample_size: 16,
  in_channels: 3,
  out_channels: 3,
  layers_per_block: 1,
  block_out_channels: [32, 64],
  down_block_types: ['DownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'UpBlock2D'],
  add_attention: false,
  norm_num_groups: 8,
  ...part,
});

/** @param {Record<string, unknown>} [part] */
const dit = (part) => ({
  patch_size: 2,
  input_size: 16,
  in_channels: 3,
  hidden_size: 128,
  depth: 4,
  num_heads: 2,
  num_classes: 10,
  class_dropout_prob: 0,
  learn_sigma: false,
  ...part,
});

/** Depth and width of DiTs from 0.2 to 130 million parameters; `size` is the width. @param {number} size */
const ditOfWidth = (size) => ({
  model: /** @type {const} */ ('DiT'),
  batch: 4,
  config: dit({ input_size: 32, patch_size: 4, hidden_size: size, depth: 12, num_heads: Math.max(1, size / 64) }),
});

/** @type {readonly Axis[]} */
export const axes = [
  {
    name: 'batch',
    sizes: [1, 2, 4, 8, 16, 32, 64, 128],
    expected: 1,
    memory: 1,
    caseOf: (batch) => ({ model: 'UNet2DModel', batch, config: unet() }),
  },
  {
    name: 'image side',
    sizes: [8, 16, 32, 64],
    expected: 2,
    memory: 2,
    caseOf: (side) => ({ model: 'UNet2DModel', batch: 8, config: unet({ sample_size: side }) }),
  },
  {
    name: 'width',
    sizes: [16, 32, 64, 128],
    expected: 'flops',
    memory: 2,
    caseOf: (width) => ({
      model: 'UNet2DModel',
      batch: 8,
      config: unet({ block_out_channels: [width, 2 * width] }),
    }),
  },
  {
    name: 'depth',
    sizes: [2, 4, 8, 16],
    expected: 1,
    memory: 1,
    caseOf: (depth) => ({ model: 'DiT', batch: 8, config: dit({ depth }) }),
  },
  {
    name: 'sequence length',
    sizes: [16, 64, 256, 1024],
    expected: 'flops',
    memory: 1,
    caseOf: (tokens) => ({ model: 'DiT', batch: 2, config: dit({ input_size: 2 * Math.sqrt(tokens) }) }),
  },
  {
    name: 'parameters',
    sizes: [32, 64, 128, 256, 512, 768],
    expected: 'flops',
    memory: 2,
    caseOf: ditOfWidth,
  },
  {
    name: 'classes',
    sizes: [10, 100, 1000, 10000],
    expected: 'flops',
    memory: 1,
    caseOf: (classes) => ({ model: 'DiT', batch: 8, config: dit({ num_classes: classes }) }),
  },
];

/** Steps of one run of the smallest UNet at batch 4, whose time is added up. */
export const stepAxis = { name: 'steps', sizes: [50, 100, 200, 400, 800], expected: 1 };

/** Images of a dataset in memory. */
export const dataAxis = { name: 'dataset size', sizes: [100, 1000, 10_000, 100_000, 200_000] };

/**
 * Least-squares slope of log y over log x.
 *
 * @throws {RangeError} for fewer than two points
 * @param {readonly number[]} x Positive.
 * @param {readonly number[]} y Positive.
 */
export function logSlope(x, y) {
  if (x.length < 2 || x.length !== y.length) throw new RangeError(`slope of ${x.length} and ${y.length} numbers`);
  const [u, v] = [x.map(Math.log), y.map(Math.log)];
  const mean = (/** @type {number[]} */ list) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [mu, mv] = [mean(u), mean(v)];
  const squares = u.reduce((sum, value) => sum + (value - mu) ** 2, 0);
  return u.reduce((sum, value, i) => sum + (value - mu) * (v[i] - mv), 0) / squares;
}
