import { checkFields, ConfigError, fieldChecks, refuse } from '../config-error.js';

export const downBlockTypes = ['DownBlock2D', 'AttnDownBlock2D', 'ResnetDownsampleBlock2D'] as const;
export const upBlockTypes = ['UpBlock2D', 'AttnUpBlock2D', 'ResnetUpsampleBlock2D'] as const;

/** The fields of diffusers' `UNet2DModel`, by their names there. */
export interface UNet2DConfig {
  /** Height and width of the images, or one number for both. Each level but the last halves them. */
  readonly sample_size: number | readonly [number, number];
  readonly in_channels: number;
  readonly out_channels: number;
  /** Maps [0, 1] to [-1, 1] first. */
  readonly center_input_sample: boolean;
  /** `fourier`: fixed random frequencies of ln t, and the output divided by t, which is a noise level and not 0. */
  readonly time_embedding_type: 'positional' | 'fourier';
  /** Default: 4 block_out_channels[0]. */
  readonly time_embedding_dim: number | null;
  readonly freq_shift: number;
  readonly flip_sin_to_cos: boolean;
  readonly down_block_types: readonly (typeof downBlockTypes)[number][];
  readonly mid_block_type: 'UNetMidBlock2D' | null;
  readonly up_block_types: readonly (typeof upBlockTypes)[number][];
  readonly block_out_channels: readonly number[];
  /** Residual blocks at each level on the way down; one more on the way up. */
  readonly layers_per_block: number;
  readonly mid_block_scale_factor: number;
  /** Zeros around what a strided convolution reads: 1 on all sides, or 0, which means 1 below and to the right. */
  readonly downsample_padding: number;
  /** Of the attention blocks, as in diffusers; the others halve as their type says. */
  readonly downsample_type: 'conv' | 'resnet';
  readonly upsample_type: 'conv' | 'resnet';
  readonly dropout: number;
  readonly act_fn: 'silu' | 'swish';
  /** Channels of an attention head; null: one head of all channels. */
  readonly attention_head_dim: number | null;
  readonly norm_num_groups: number;
  /** Groups of the middle attention's norm; null: `norm_num_groups`, or no norm under `scale_shift`, as in diffusers. */
  readonly attn_norm_num_groups: number | null;
  readonly norm_eps: number;
  readonly resnet_time_scale_shift: 'default' | 'scale_shift';
  /** Attention in the middle block. */
  readonly add_attention: boolean;
  readonly class_embed_type: null;
  /** Rows of the class embedding; a null class, if wanted, is one of them. null: unconditional. */
  readonly num_class_embeds: number | null;
  readonly num_train_timesteps: number | null;
  /** Fields that begin with `_` (`_class_name`, `_diffusers_version`) are passed through unchanged. */
  readonly [note: `_${string}`]: unknown;
}

/** `sample_size` must be given; a field left out has diffusers' default. */
export type UNet2DOptions = Partial<UNet2DConfig> & Pick<UNet2DConfig, 'sample_size'>;

const defaults: Omit<UNet2DConfig, 'sample_size'> = {
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

/** Levels halve the images: 2^16 is a larger side than any. */
const mostLevels = 16;
const largestSide = 2 ** 16;
const mostLayersPerBlock = 64;

const kind = 'UNet2DModel';

/**
 * Fills in diffusers' defaults.
 * @throws {ConfigError} on a field that this class does not have, on another class's configuration, on a value that is
 *   not supported here, and on sizes that do not fit together
 */
export function unet2dConfig(options: unknown): UNet2DConfig {
  checkFields(kind, options, ['sample_size', ...Object.keys(defaults)]);
  const config = { ...defaults, ...options } as unknown as UNet2DConfig;
  const check = fieldChecks(kind, config as unknown as Record<string, unknown>);

  for (const field of ['in_channels', 'out_channels', 'norm_num_groups']) check.integer(field, 1);
  check.integer('layers_per_block', 1, mostLayersPerBlock);
  check.integers('block_out_channels', 1, mostLevels);
  const levels = config.block_out_channels.length;
  check.listOf('down_block_types', downBlockTypes, levels);
  check.listOf('up_block_types', upBlockTypes, levels);
  check.oneOf('mid_block_type', ['UNetMidBlock2D', null]);
  check.oneOf('time_embedding_type', ['positional', 'fourier']);
  check.oneOf('downsample_type', ['conv', 'resnet']);
  check.oneOf('upsample_type', ['conv', 'resnet']);
  check.oneOf('act_fn', ['silu', 'swish']);
  check.oneOf('resnet_time_scale_shift', ['default', 'scale_shift']);
  check.oneOf('class_embed_type', [null]);
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

/** [H, W]. */
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
    throw new ConfigError(
      `${kind}: images of ${sides.join(' x ')} cannot be halved ${channels.length - 1} times, once between each two of ` +
        `${channels.length} levels; height and width must be multiples of ${factor}`,
    );
  }
}

function checkWidths(config: UNet2DConfig): void {
  const { block_out_channels: channels, norm_num_groups: groups, attention_head_dim: head } = config;
  if (channels.some((c) => c % groups !== 0)) {
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
      config.down_block_types[i] === 'AttnDownBlock2D' ||
      config.up_block_types[channels.length - 1 - i] === 'AttnUpBlock2D' ||
      (i === channels.length - 1 && config.mid_block_type !== null && config.add_attention),
  );
  const narrow = withAttention.filter((c) => head !== null && c < head);
  if (narrow.length > 0) {
    throw refuse(
      kind,
      'attention_head_dim',
      head,
      `at most ${Math.min(...narrow)}, the channels of a level with attention`,
    );
  }
}
