import { checkFields, fieldChecks, refuse } from '../config-error.js';

/** Values of fields that `basicUNet2d` supports. `unet2d` supports more of them. */
const basicChoices = {
  down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'ResnetDownsampleBlock2D'],
  up_block_types: ['UpBlock2D', 'AttnUpBlock2D', 'ResnetUpsampleBlock2D'],
  time_embedding_type: ['positional', 'fourier'],
  act_fn: ['silu', 'swish'],
  class_embed_type: [null],
} as const;

/** Values of fields to accept. */
export type UNetChoices = {
  readonly [Field in keyof typeof basicChoices]: readonly (
    string | (Field extends 'class_embed_type' ? null : never)
  )[];
};

/** Fields of `UNet2DModel` of diffusers, with the same names and defaults. */
export interface UNet2DConfig {
  /** [height, width] of the images, or one number for both. Every level except the last halves them. */
  readonly sample_size: number | readonly [number, number];
  readonly in_channels: number;
  readonly out_channels: number;
  /** Whether to map inputs from [0, 1] to [-1, 1]. */
  readonly center_input_sample: boolean;
  /**
   * `fourier`: random Fourier features of ln t; the output is divided by t, a noise level > 0. `learned`: a table with
   * one row per timestep, for integers from 0 to `num_train_timesteps` - 1.
   */
  readonly time_embedding_type: 'positional' | 'fourier' | 'learned';
  /** Default: 4 block_out_channels[0]. */
  readonly time_embedding_dim: number | null;
  readonly freq_shift: number;
  readonly flip_sin_to_cos: boolean;
  readonly down_block_types: readonly (
    (typeof basicChoices.down_block_types)[number] | 'SkipDownBlock2D' | 'AttnSkipDownBlock2D'
  )[];
  readonly mid_block_type: 'UNetMidBlock2D' | null;
  readonly up_block_types: readonly (
    (typeof basicChoices.up_block_types)[number] | 'SkipUpBlock2D' | 'AttnSkipUpBlock2D'
  )[];
  readonly block_out_channels: readonly number[];
  /** Residual blocks per level of the down path. Levels of the up path have one more. */
  readonly layers_per_block: number;
  readonly mid_block_scale_factor: number;
  /** Zero padding of strided convolutions: 1 on all sides, or 0, which pads only below and to the right. */
  readonly downsample_padding: number;
  /** Downsampling of attention blocks, as in diffusers. For other blocks the block type determines it. */
  readonly downsample_type: 'conv' | 'resnet';
  readonly upsample_type: 'conv' | 'resnet';
  readonly dropout: number;
  readonly act_fn: 'silu' | 'swish' | 'gelu' | 'mish' | 'relu';
  /** Channels per attention head; null: a single head. */
  readonly attention_head_dim: number | null;
  /** Null: a quarter of the channels, at most 32. Only if all blocks are skip blocks, which always use that. */
  readonly norm_num_groups: number | null;
  /** Groups of the norm in the middle block's attention; null: `norm_num_groups`, or no norm with `scale_shift`. */
  readonly attn_norm_num_groups: number | null;
  readonly norm_eps: number;
  readonly resnet_time_scale_shift: 'default' | 'scale_shift';
  /** Whether the middle block has attention. */
  readonly add_attention: boolean;
  /**
   * Null: a table. `timestep`: the time projection of the class's number, and an MLP. `identity`: the labels themselves,
   * padded with zeros to the width of the time embedding.
   */
  readonly class_embed_type: 'timestep' | 'identity' | null;
  /**
   * Classes, including any null class; null: unconditional, or with `identity` the width of the time embedding. The
   * reference ignores it if `class_embed_type` is not null.
   */
  readonly num_class_embeds: number | null;
  /** Rows of the learned time embedding. */
  readonly num_train_timesteps: number | null;
  /** Fields that begin with `_` (`_class_name`, `_diffusers_version`) are passed through unchanged. */
  readonly [note: `_${string}`]: unknown;
}

/** `sample_size` is required. The other fields have the defaults of diffusers. */
export type UNet2DOptions = Partial<UNet2DConfig> & Pick<UNet2DConfig, 'sample_size'>;

/** The defaults of diffusers. */
export const unet2dDefaults: Omit<UNet2DConfig, 'sample_size'> = {
  in_channels: 3,
  out_channels: 3,
  center_input_sample: false,
  time_embedding_type: 'positional',
  time_embedding_dim: null,
  freq_shift: 0,
  flip_sin_to_cos: true,
  down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'AttnDownBlock2D', 'AttnDownBlock2D'],
  mid_block_type: 'UNetMidBlock2D',
  up_block_types: ['AttnUpBlock2D', 'AttnUpBlock2D', 'AttnUpBlock2D', 'UpBlock2D'],
  block_out_channels: [224, 448, 672, 896],
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  downsample_padding: 1,
  downsample_type: 'conv',
  upsample_type: 'conv',
  dropout: 0,
  act_fn: 'silu',
  attention_head_dim: 8,
  norm_num_groups: 32,
  attn_norm_num_groups: null,
  norm_eps: 1e-5,
  resnet_time_scale_shift: 'default',
  add_attention: true,
  class_embed_type: null,
  num_class_embeds: null,
  num_train_timesteps: null,
};

/** Upper limits. A side of 2^16 cannot be halved more than 16 times. */
const mostLevels = 16;
const largestSide = 2 ** 16;
const mostLayersPerBlock = 64;

const kind = 'UNet2DModel';

/**
 * Validates a configuration and fills in the defaults of diffusers. The rare options are checked in extended.ts.
 * @throws {ConfigError} if a field is unknown, the configuration is for another class, a value is not supported, or
 *   sizes are inconsistent
 */
export function checkedConfig(options: unknown, choices: UNetChoices = basicChoices): UNet2DConfig {
  checkFields(kind, options, ['sample_size', ...Object.keys(unet2dDefaults)]);
  const config = { ...unet2dDefaults, ...options } as unknown as UNet2DConfig;
  const check = fieldChecks(kind, config as unknown as Record<string, unknown>);

  for (const field of ['in_channels', 'out_channels', 'norm_num_groups']) check.integer(field, 1);
  check.integer('layers_per_block', 1, mostLayersPerBlock);
  check.integers('block_out_channels', 1, mostLevels);
  const levels = config.block_out_channels.length;
  for (const field of ['down_block_types', 'up_block_types'] as const) check.listOf(field, choices[field], levels);
  check.oneOf('mid_block_type', ['UNetMidBlock2D', null]);
  for (const field of ['time_embedding_type', 'act_fn', 'class_embed_type'] as const)
    check.oneOf(field, choices[field]);
  check.oneOf('downsample_type', ['conv', 'resnet']);
  check.oneOf('upsample_type', ['conv', 'resnet']);
  check.oneOf('resnet_time_scale_shift', ['default', 'scale_shift']);
  check.oneOf('downsample_padding', [0, 1]);
  for (const field of ['center_input_sample', 'flip_sin_to_cos', 'add_attention']) check.boolean(field);
  for (const field of ['time_embedding_dim', 'attention_head_dim', 'attn_norm_num_groups', 'num_class_embeds']) {
    check.integerOrNull(field, 1);
  }
  check.number('freq_shift', { below: Math.floor(config.block_out_channels[0]! / 2) });
  check.number('dropout', { least: 0, below: 1 });
  check.positive('norm_eps');
  check.positive('mid_block_scale_factor');
  checkSize(config);
  checkWidths(config);
  return config;
}

/** The image size as [H, W]. */
export const imageSize = ({ sample_size: size }: UNet2DConfig): readonly [number, number] =>
  typeof size === 'number' ? [size, size] : size;

function checkSize(config: UNet2DConfig): void {
  const { sample_size: size, block_out_channels: channels } = config;
  const sides: readonly unknown[] = Array.isArray(size) ? size : [size, size];
  if (
    sides.length !== 2 ||
    !sides.every((side) => Number.isInteger(side) && (side as number) > 0 && (side as number) <= largestSide)
  ) {
    throw refuse(kind, 'sample_size', size, `an integer from 1 to ${largestSide}, or [height, width]`);
  }
  const factor = 2 ** (channels.length - 1);
  if (!sides.every((side) => (side as number) % factor === 0)) {
    throw refuse(kind, 'sample_size', size, `a multiple of ${factor} with ${channels.length} levels`);
  }
}

function checkWidths(config: UNet2DConfig): void {
  const { block_out_channels: channels, norm_num_groups: groups, attention_head_dim: head } = config;
  if (channels.some((c) => c % groups! !== 0)) {
    throw refuse(kind, 'norm_num_groups', groups, `a divisor of all block_out_channels (${channels.join(', ')})`);
  }
  const middleGroups = config.attn_norm_num_groups;
  if (middleGroups !== null && channels.at(-1)! % middleGroups !== 0) {
    throw refuse(
      kind,
      'attn_norm_num_groups',
      middleGroups,
      `null or a divisor of ${channels.at(-1)}, the last of block_out_channels`,
    );
  }
  const withAttention = channels.filter(
    (_, i) =>
      config.down_block_types[i]!.startsWith('Attn') ||
      config.up_block_types[channels.length - 1 - i]!.startsWith('Attn') ||
      (i === channels.length - 1 && config.mid_block_type !== null && config.add_attention),
  );
  const narrow = withAttention.filter((c) => head !== null && c < head);
  if (narrow.length > 0) {
    throw refuse(
      kind,
      'attention_head_dim',
      head,
      `at most ${Math.min(...narrow)}, the fewest channels of a level with attention`,
    );
  }
}
