import { checkFields, ConfigError, fieldChecks, largestMlpRatio, mostBlocks } from '../config-error.js';

/** The arguments of facebookresearch/DiT's class `DiT`, by their names there. */
export interface DiTConfig {
  /** Height and width of the (square) images or latents. */
  readonly input_size: number;
  /** Side of a patch; divides `input_size`. */
  readonly patch_size: number;
  readonly in_channels: number;
  readonly hidden_size: number;
  /** Number of blocks. */
  readonly depth: number;
  readonly num_heads: number;
  /** Width of a block's MLP over `hidden_size`. */
  readonly mlp_ratio: number;
  /**
   * Share of labels that training replaces by the null class. Above 0 the model has a null class, the last one; who
   * calls it replaces the labels.
   */
  readonly class_dropout_prob: number;
  /** 0: an unconditional model without a label embedding. Ours; the reference has at least one class. */
  readonly num_classes: number;
  /** Twice the channels in the output: the second half is the variance. */
  readonly learn_sigma: boolean;
  /** Fields that begin with `_` are passed through unchanged. */
  readonly [note: `_${string}`]: unknown;
}

/** A field left out has the reference's default, except for the classes: 0 if `num_classes` is left out. */
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
 * Fills in the defaults.
 * @throws {ConfigError} on an unknown field, a value out of range, or sizes that do not fit
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
  if (size % patch !== 0) {
    throw new ConfigError(`${kind}: images of ${size} x ${size} cannot be cut into patches of ${patch} x ${patch}`);
  }
  if (hidden % heads !== 0 || hidden % 4 !== 0) {
    throw check.fail('hidden_size', `a multiple of 4 (sines and cosines of two axes) and of num_heads, ${heads}`);
  }
  return config;
}
