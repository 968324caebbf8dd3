import { checkFields, ConfigError, fieldChecks, mostBlocks } from '../config-error.js';

/** Fields of `DiTTransformer2DModel` of diffusers, with the same names and defaults. */
export interface DiTTransformer2DConfig {
  readonly num_attention_heads: number;
  /** Channels per head. The model width is this times `num_attention_heads`. */
  readonly attention_head_dim: number;
  readonly in_channels: number;
  /** null: `in_channels`. Set it to twice `in_channels` for a learned variance. */
  readonly out_channels: number | null;
  /** Number of blocks. */
  readonly num_layers: number;
  readonly dropout: 0;
  /** Unused, as in diffusers. */
  readonly norm_num_groups: number;
  /** Whether queries, keys and values have a bias. */
  readonly attention_bias: boolean;
  /** Height and width of the (square) images or latents. */
  readonly sample_size: number;
  readonly patch_size: number;
  readonly activation_fn: 'gelu-approximate';
  /** Number of classes. The label embedding has one more row, for the null class. */
  readonly num_embeds_ada_norm: number;
  /** Unused, since everything is float32. */
  readonly upcast_attention: boolean;
  readonly norm_type: 'ada_norm_zero';
  readonly norm_elementwise_affine: false;
  /** Epsilon of the norm before each MLP. The other norms use 1e-6. */
  readonly norm_eps: number;
  /** Fields that begin with `_` are passed through unchanged. */
  readonly [note: `_${string}`]: unknown;
}

const defaults: DiTTransformer2DConfig = {
  num_attention_heads: 16,
  attention_head_dim: 72,
  in_channels: 4,
  out_channels: null,
  num_layers: 28,
  dropout: 0,
  norm_num_groups: 32,
  attention_bias: true,
  sample_size: 32,
  patch_size: 2,
  activation_fn: 'gelu-approximate',
  num_embeds_ada_norm: 1000,
  upcast_attention: false,
  norm_type: 'ada_norm_zero',
  norm_elementwise_affine: false,
  norm_eps: 1e-5,
};

const kind = 'DiTTransformer2DModel';

/**
 * Validates a configuration and fills in the defaults of diffusers.
 * @throws {ConfigError} if a field is unknown, a value is not supported, or sizes are inconsistent
 */
export function ditTransformer2dConfig(options: unknown): DiTTransformer2DConfig {
  checkFields(kind, options, Object.keys(defaults));
  const config = { ...defaults, ...options } as DiTTransformer2DConfig;
  const check = fieldChecks(kind, config as unknown as Record<string, unknown>);
  for (const field of [
    'num_attention_heads',
    'attention_head_dim',
    'in_channels',
    'norm_num_groups',
    'sample_size',
    'patch_size',
    'num_embeds_ada_norm',
  ]) {
    check.integer(field, 1);
  }
  check.integer('num_layers', 1, mostBlocks);
  check.integerOrNull('out_channels', 1);
  check.oneOf('dropout', [0]);
  check.oneOf('activation_fn', ['gelu-approximate']);
  check.oneOf('norm_type', ['ada_norm_zero']);
  check.oneOf('norm_elementwise_affine', [false]);
  check.boolean('attention_bias');
  check.boolean('upcast_attention');
  check.positive('norm_eps');
  const { sample_size: size, patch_size: patch } = config;
  if (size % patch !== 0) throw check.fail('patch_size', `a divisor of sample_size, ${size}`);
  const width = config.num_attention_heads * config.attention_head_dim;
  if (width % 4 !== 0) {
    throw new ConfigError(
      `${kind}: num_attention_heads times attention_head_dim must be a multiple of 4, got ${width}`,
    );
  }
  return config;
}
