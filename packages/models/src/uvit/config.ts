import { checkFields, fieldChecks, largestMlpRatio, mostBlocks } from '../config-error.js';

/** Arguments of the class `UViT` of https://github.com/baofff/U-ViT, with the same names and defaults. */
export interface UViTConfig {
  /** Height and width of the (square) images or latents. */
  readonly img_size: number;
  /** Side of a patch in pixels. Must divide `img_size`. */
  readonly patch_size: number;
  readonly in_chans: number;
  readonly embed_dim: number;
  /** Number of blocks without the middle one. Must be even. */
  readonly depth: number;
  readonly num_heads: number;
  /** Width of a block's MLP, as a multiple of `embed_dim`. */
  readonly mlp_ratio: number;
  /** Whether queries, keys and values have a bias. */
  readonly qkv_bias: boolean;
  /** Whether the sinusoidal embedding of the timestep goes through an MLP before it becomes a token. */
  readonly mlp_time_embed: boolean;
  /** Rows of the label embedding, including any null class; -1: unconditional. */
  readonly num_classes: number;
  /** Whether the model ends with a 3x3 convolution. */
  readonly conv: boolean;
  /** Whether the model has long skip connections. */
  readonly skip: boolean;
  /** Fields that begin with `_` are passed through unchanged. */
  readonly [note: `_${string}`]: unknown;
}

const defaults: UViTConfig = {
  img_size: 224,
  patch_size: 16,
  in_chans: 3,
  embed_dim: 768,
  depth: 12,
  num_heads: 12,
  mlp_ratio: 4,
  qkv_bias: false,
  mlp_time_embed: false,
  num_classes: -1,
  conv: true,
  skip: true,
};

const kind = 'UViT';

/**
 * Validates a configuration and fills in the defaults.
 * @throws {ConfigError} if a field is unknown, a value is out of range, or sizes are inconsistent
 */
export function uvitConfig(options: unknown): UViTConfig {
  checkFields(kind, options, Object.keys(defaults));
  const config = { ...defaults, ...options } as UViTConfig;
  const check = fieldChecks(kind, config as unknown as Record<string, unknown>);
  for (const field of ['img_size', 'patch_size', 'in_chans', 'embed_dim', 'num_heads']) check.integer(field, 1);
  check.integer('depth', 0, mostBlocks);
  check.positive('mlp_ratio', largestMlpRatio);
  for (const field of ['qkv_bias', 'mlp_time_embed', 'conv', 'skip']) check.boolean(field);
  if (config.num_classes !== -1) check.integer('num_classes', 1);
  if (config.depth % 2 !== 0)
    throw check.fail('depth', 'even, with half of the blocks before the middle one and half after it');
  const { img_size: size, patch_size: patch, embed_dim: hidden, num_heads: heads } = config;
  if (size % patch !== 0) throw check.fail('patch_size', `a divisor of img_size, ${size}`);
  if (hidden % heads !== 0) throw check.fail('embed_dim', `a multiple of num_heads, ${heads}`);
  return config;
}
