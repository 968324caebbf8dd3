import { checkFields, fieldChecks, largestMlpRatio, mostBlocks } from '../config-error.js';

/** Arguments of the class `DiT` of https://github.com/facebookresearch/DiT, with the same names. */
export interface DiTConfig {
  /** Height and width of the (square) images or latents. */
  readonly input_size: number;
  /** Side of a patch in pixels. Must divide `input_size`. */
  readonly patch_size: number;
  readonly in_channels: number;
  readonly hidden_size: number;
  /** Number of blocks. */
  readonly depth: number;
  readonly num_heads: number;
  /** Width of a block's MLP, as a multiple of `hidden_size`. */
  readonly mlp_ratio: number;
  /**
   * Fraction of labels to replace by the null class in training, in [0, 1). If it is > 0, the model has a null class,
   * the last one. The model does not replace labels; the caller does.
   */
  readonly class_dropout_prob: number;
  /**
   * Number of classes; 0: an unconditional model without label embedding (an extension: the reference needs a class).
   */
  readonly num_classes: number;
  /** Whether the model learns the variance: it is the second half of the output channels, which are then doubled. */
  readonly learn_sigma: boolean;
  /** Fields that begin with `_` are passed through unchanged. */
  readonly [note: `_${string}`]: unknown;
}

/** Fields have the defaults of the reference, except for `num_classes`, whose default is 0. */
export type DiTOptions = Partial<DiTConfig>;

const defaults: DiTConfig = {
  input_size: 32,
  patch_size: 2,
  in_channels: 4,
  hidden_size: 1152,
  depth: 28,
  num_heads: 16,
  mlp_ratio: 4,
  class_dropout_prob: 0.1,
  num_classes: 0,
  learn_sigma: true,
};

const kind = 'DiT';

/**
 * Validates a configuration and fills in the defaults.
 * @throws {ConfigError} if a field is unknown, a value is out of range, or sizes are inconsistent
 */
export function ditConfig(options: unknown): DiTConfig {
  checkFields(kind, options, Object.keys(defaults));
  const config = { ...defaults, ...options } as DiTConfig;
  const check = fieldChecks(kind, config as unknown as Record<string, unknown>);
  for (const field of ['input_size', 'patch_size', 'in_channels', 'hidden_size', 'num_heads']) {
    check.integer(field, 1);
  }
  check.integer('depth', 1, mostBlocks);
  check.integer('num_classes', 0);
  check.positive('mlp_ratio', largestMlpRatio);
  check.number('class_dropout_prob', { least: 0, below: 1 });
  check.boolean('learn_sigma');
  const { input_size: size, patch_size: patch, hidden_size: hidden, num_heads: heads } = config;
  if (size % patch !== 0) throw check.fail('patch_size', `a divisor of input_size, ${size}`);
  if (hidden % heads !== 0 || hidden % 4 !== 0) {
    throw check.fail(
      'hidden_size',
      `a multiple of 4 (for the sines and cosines of two axes) and of num_heads, ${heads}`,
    );
  }
  return config;
}
