/** The model part of a configuration: the fields of each model class of @dm/models, by their names there. */
import {
  ditConfig,
  ditTransformer2dConfig,
  edm2UNetDefaults,
  songUNetDefaults,
  unet2dConfig,
  uvitConfig,
  type DiTConfig,
  type DiTTransformer2DConfig,
  type Edm2UNetConfig,
  type SongUNetConfig,
  type UNet2DConfig,
  type UViTConfig,
} from '@dm/models';
import * as z from 'zod';

/** The fields of a class's configuration, without notes such as `_class_name`. */
type FieldsOf<C> = Readonly<Record<Exclude<keyof C, `_${string}`>, z.core.$ZodType>>;

/** Largest width or number of channels, and largest number of blocks, of all classes. */
const largestSize = 2 ** 20;
const mostBlocks = 1024;

const size = z.int().min(1).max(largestSize);
const mlpRatio = z.number().gt(0).max(1024);
const positive = z.number().positive();
const fraction = z.number().min(0).lt(1);

/** An optional field with a fixed default. */
function option<T extends z.ZodType>(schema: T, description: string, value: unknown): z.ZodExactOptional<T> {
  return schema.exactOptional().meta({ description, default: value });
}

/** An optional field that defaults to the data's value. */
function fromData<T extends z.ZodType>(schema: T, description: string): z.ZodExactOptional<T> {
  return schema.exactOptional().describe(`${description} Default: the data's.`);
}

/** An optional field that, with the others of this kind, determines the size of the model. */
function sized<T extends z.ZodType>(schema: T, description: string, value: unknown): z.ZodExactOptional<T> {
  const other = JSON.stringify(value);
  return schema
    .exactOptional()
    .describe(`${description} Default: a size that fits the images, or ${other} if another size field is set.`);
}

/** An object of `fields`; like the classes themselves it also accepts notes, fields whose names begin with `_`. */
function withNotes<T extends z.core.$ZodLooseShape>(fields: T) {
  return z
    .object(fields)
    .catchall(z.json())
    .check(({ value, issues }) => {
      const keys = Object.keys(value).filter((key) => !Object.hasOwn(fields, key) && !isNote(key));
      if (keys.length > 0) issues.push({ code: 'unrecognized_keys', keys, input: value });
    });
}

/** Whether a field of a model is a note, such as `_class_name` and `_diffusers_version` of diffusers. */
export function isNote(field: string): boolean {
  return field.startsWith('_');
}

const unetDefaults = unet2dConfig({ sample_size: 32 });
const sides = z.int().min(1).max(65_536);

const unet = {
  sample_size: fromData(
    z.union([sides, z.tuple([sides, sides])]),
    'Height and width of the images, or one number for both.',
  ),
  in_channels: fromData(size, 'Channels of the input.'),
  out_channels: fromData(size, 'Channels of the output.'),
  center_input_sample: option(z.boolean(), 'Map the input from [0, 1] to [-1, 1].', unetDefaults.center_input_sample),
  time_embedding_type: option(
    z.enum(['positional', 'fourier']),
    'Embedding of the timestep.',
    unetDefaults.time_embedding_type,
  ),
  time_embedding_dim: option(
    size.nullable(),
    'Width of the time embedding; null for 4 block_out_channels[0].',
    unetDefaults.time_embedding_dim,
  ),
  freq_shift: option(
    z.number(),
    'Shift of the frequencies of the positional embedding; less than half of block_out_channels[0].',
    unetDefaults.freq_shift,
  ),
  flip_sin_to_cos: option(z.boolean(), 'Cosines before sines in the time embedding.', unetDefaults.flip_sin_to_cos),
  down_block_types: sized(
    z
      .array(z.enum(['DownBlock2D', 'AttnDownBlock2D', 'ResnetDownsampleBlock2D']))
      .min(1)
      .max(16),
    'Block type of each level on the way down.',
    unetDefaults.down_block_types,
  ),
  mid_block_type: sized(
    z.literal(['UNetMidBlock2D', null]),
    'Middle block; null for none.',
    unetDefaults.mid_block_type,
  ),
  up_block_types: sized(
    z
      .array(z.enum(['UpBlock2D', 'AttnUpBlock2D', 'ResnetUpsampleBlock2D']))
      .min(1)
      .max(16),
    'Block type of each level on the way up.',
    unetDefaults.up_block_types,
  ),
  block_out_channels: sized(
    z.array(size).min(1).max(16),
    'Channels of each level; norm_num_groups must divide all of them.',
    unetDefaults.block_out_channels,
  ),
  layers_per_block: sized(
    z.int().min(1).max(64),
    'Residual blocks per level on the way down; one more on the way up.',
    unetDefaults.layers_per_block,
  ),
  mid_block_scale_factor: option(
    positive,
    'Divisor of the output of the residual blocks in the middle.',
    unetDefaults.mid_block_scale_factor,
  ),
  downsample_padding: option(
    z.literal([0, 1]),
    'Padding of strided convolutions: 1 on all sides, or 0 for 1 below and to the right.',
    unetDefaults.downsample_padding,
  ),
  downsample_type: option(
    z.enum(['conv', 'resnet']),
    'Downsampling of attention blocks.',
    unetDefaults.downsample_type,
  ),
  upsample_type: option(z.enum(['conv', 'resnet']), 'Upsampling of attention blocks.', unetDefaults.upsample_type),
  dropout: option(fraction, 'Dropout rate of the residual blocks.', unetDefaults.dropout),
  act_fn: option(z.enum(['silu', 'swish']), 'Activation function.', unetDefaults.act_fn),
  attention_head_dim: sized(
    size.nullable(),
    'Channels per attention head; null for one head of all channels.',
    unetDefaults.attention_head_dim,
  ),
  norm_num_groups: sized(size, 'Groups of the group norms.', unetDefaults.norm_num_groups),
  attn_norm_num_groups: option(
    size.nullable(),
    "Groups of the middle attention's norm; null for norm_num_groups, or for no norm with scale_shift.",
    unetDefaults.attn_norm_num_groups,
  ),
  norm_eps: option(positive, 'Epsilon of the group norms.', unetDefaults.norm_eps),
  resnet_time_scale_shift: option(
    z.enum(['default', 'scale_shift']),
    'How the time embedding enters a residual block.',
    unetDefaults.resnet_time_scale_shift,
  ),
  add_attention: sized(z.boolean(), 'Attention in the middle block.', unetDefaults.add_attention),
  class_embed_type: option(z.null(), 'Always null.', unetDefaults.class_embed_type),
  num_class_embeds: fromData(
    size.nullable(),
    'Rows of the class embedding, including the null class if there is one; null for an unconditional model.',
  ),
  num_train_timesteps: option(z.number().nullable(), 'Has no effect.', unetDefaults.num_train_timesteps),
} satisfies FieldsOf<UNet2DConfig>;

const ditDefaults = ditConfig({});

const dit = {
  input_size: fromData(size, 'Height and width of the images, which must be square.'),
  patch_size: sized(size, 'Side of a patch; must divide input_size.', ditDefaults.patch_size),
  in_channels: fromData(size, 'Channels of the images.'),
  hidden_size: sized(size, 'Width; a multiple of 4 and of num_heads.', ditDefaults.hidden_size),
  depth: sized(z.int().min(1).max(mostBlocks), 'Number of blocks.', ditDefaults.depth),
  num_heads: sized(size, 'Attention heads per block.', ditDefaults.num_heads),
  mlp_ratio: sized(mlpRatio, "Width of a block's MLP divided by hidden_size.", ditDefaults.mlp_ratio),
  class_dropout_prob: option(
    fraction,
    'Fraction of labels that training replaces by the null class; with 0 there is no null class.',
    ditDefaults.class_dropout_prob,
  ),
  num_classes: fromData(z.int().min(0).max(largestSize), 'Number of classes; 0 for an unconditional model.'),
  learn_sigma: option(z.boolean(), 'Twice the channels in the output, for a learned variance.', false),
} satisfies FieldsOf<DiTConfig>;

const transformer2dDefaults = ditTransformer2dConfig({});

const ditDiffusers = {
  num_attention_heads: sized(size, 'Attention heads per block.', transformer2dDefaults.num_attention_heads),
  attention_head_dim: sized(
    size,
    'Channels per attention head; the width is this times num_attention_heads.',
    transformer2dDefaults.attention_head_dim,
  ),
  in_channels: fromData(size, 'Channels of the images.'),
  out_channels: option(
    size.nullable(),
    'Channels of the output; null for in_channels, twice that for a learned variance.',
    transformer2dDefaults.out_channels,
  ),
  num_layers: sized(z.int().min(1).max(mostBlocks), 'Number of blocks.', transformer2dDefaults.num_layers),
  dropout: option(z.literal(0), 'Always 0.', transformer2dDefaults.dropout),
  norm_num_groups: option(size, 'Has no effect, as in diffusers.', transformer2dDefaults.norm_num_groups),
  attention_bias: option(z.boolean(), 'Bias of queries, keys, and values.', transformer2dDefaults.attention_bias),
  sample_size: fromData(size, 'Height and width of the images, which must be square.'),
  patch_size: sized(size, 'Side of a patch; must divide sample_size.', transformer2dDefaults.patch_size),
  activation_fn: option(
    z.literal('gelu-approximate'),
    'Activation function of the MLPs.',
    transformer2dDefaults.activation_fn,
  ),
  num_embeds_ada_norm: fromData(size, 'Number of classes; a null class is added to them.'),
  upcast_attention: option(z.boolean(), 'Has no effect in float32.', transformer2dDefaults.upcast_attention),
  norm_type: option(z.literal('ada_norm_zero'), 'Norm of the blocks.', transformer2dDefaults.norm_type),
  norm_elementwise_affine: option(z.literal(false), 'Always false.', transformer2dDefaults.norm_elementwise_affine),
  norm_eps: option(positive, 'Epsilon of the norm before each MLP.', transformer2dDefaults.norm_eps),
} satisfies FieldsOf<DiTTransformer2DConfig>;

const uvitDefaults = uvitConfig({});

const uvit = {
  img_size: fromData(size, 'Height and width of the images, which must be square.'),
  patch_size: sized(size, 'Side of a patch; must divide img_size.', uvitDefaults.patch_size),
  in_chans: fromData(size, 'Channels of the images.'),
  embed_dim: sized(size, 'Width; a multiple of num_heads.', uvitDefaults.embed_dim),
  depth: sized(z.int().min(0).max(mostBlocks), 'Blocks besides the middle one; even.', uvitDefaults.depth),
  num_heads: sized(size, 'Attention heads per block.', uvitDefaults.num_heads),
  mlp_ratio: sized(mlpRatio, "Width of a block's MLP divided by embed_dim.", uvitDefaults.mlp_ratio),
  qkv_bias: option(z.boolean(), 'Bias of queries, keys, and values.', uvitDefaults.qkv_bias),
  mlp_time_embed: option(z.boolean(), 'MLP on the time token.', uvitDefaults.mlp_time_embed),
  num_classes: fromData(
    z.union([z.literal(-1), size]),
    'Rows of the label table, including the null class if there is one; -1 for an unconditional model.',
  ),
  conv: option(z.boolean(), '3x3 convolution at the end.', uvitDefaults.conv),
  skip: option(z.boolean(), 'Long skip connections.', uvitDefaults.skip),
} satisfies FieldsOf<UViTConfig>;

const filter = z.array(z.number()).min(2).max(16);
const mults = z.array(z.int().min(1).max(1024)).min(1).max(16);
const resolutions = z.array(sides).max(16);

/** Fields of both networks of NVlabs. */
const nvlabs = (defaults: typeof songUNetDefaults | typeof edm2UNetDefaults) => ({
  img_resolution: fromData(sides, 'Height and width of the images, which must be square.'),
  label_dim: fromData(z.int().min(0).max(largestSize), 'Number of classes; 0 for an unconditional model.'),
  model_channels: sized(size, 'Channels that the levels are multiples of.', defaults.model_channels),
  channel_mult: sized(mults, 'Channels of each level over model_channels.', defaults.channel_mult),
  num_blocks: sized(
    z.int().min(1).max(64),
    'Residual blocks per level on the way down; one more on the way up.',
    defaults.num_blocks,
  ),
  attn_resolutions: sized(resolutions, 'Sides of the levels with attention.', defaults.attn_resolutions),
  dropout: option(fraction, 'Dropout rate of the residual blocks.', defaults.dropout),
  resample_filter: option(filter, 'Filter of up- and downsampling.', defaults.resample_filter),
});

const songUnet = {
  ...nvlabs(songUNetDefaults),
  in_channels: fromData(size, 'Channels of the input.'),
  out_channels: fromData(size, 'Channels of the output.'),
  augment_dim: option(
    z.int().min(0).max(largestSize),
    'Width of the augmentation labels, which are taken to be zero.',
    songUNetDefaults.augment_dim,
  ),
  channel_mult_emb: sized(size, 'Width of the embedding over model_channels.', songUNetDefaults.channel_mult_emb),
  label_dropout: option(
    fraction,
    'Fraction of labels that training replaces by the null class; 0 for none.',
    songUNetDefaults.label_dropout,
  ),
  embedding_type: option(
    z.enum(['positional', 'fourier']),
    'positional for DDPM++, fourier for NCSN++.',
    songUNetDefaults.embedding_type,
  ),
  channel_mult_noise: option(size, 'Width of that embedding over model_channels.', songUNetDefaults.channel_mult_noise),
  encoder_type: option(
    z.enum(['standard', 'skip', 'residual']),
    'standard for DDPM++, residual for NCSN++.',
    songUNetDefaults.encoder_type,
  ),
  decoder_type: option(
    z.enum(['standard', 'skip']),
    'skip: each level adds to the output.',
    songUNetDefaults.decoder_type,
  ),
} satisfies FieldsOf<SongUNetConfig>;

const edm2Unet = {
  ...nvlabs(edm2UNetDefaults),
  img_channels: fromData(size, 'Channels of the images.'),
  channel_mult_noise: option(
    size.nullable(),
    'Width of the noise embedding over model_channels; null for the first level.',
    edm2UNetDefaults.channel_mult_noise,
  ),
  channel_mult_emb: option(
    size.nullable(),
    'Width of the embedding over model_channels; null for the widest level.',
    edm2UNetDefaults.channel_mult_emb,
  ),
  label_balance: option(fraction, 'Share of the class embedding.', edm2UNetDefaults.label_balance),
  concat_balance: option(fraction, 'Share of the skip connections.', edm2UNetDefaults.concat_balance),
  channels_per_head: sized(size, 'Channels per attention head.', edm2UNetDefaults.channels_per_head),
  res_balance: option(fraction, 'Share of the residual branches.', edm2UNetDefaults.res_balance),
  attn_balance: option(fraction, 'Share of the attention branches.', edm2UNetDefaults.attn_balance),
  clip_act: option(positive.nullable(), 'Limit of activations; null for none.', edm2UNetDefaults.clip_act),
} satisfies FieldsOf<Edm2UNetConfig>;

/** The model types and their options; `model-types.ts` creates them. */
export const modelSchema = z.discriminatedUnion('type', [
  withNotes({ type: z.literal('unet'), ...unet }).describe('UNet2DModel of diffusers.'),
  withNotes({ type: z.literal('dit'), ...dit }).describe('DiT of facebookresearch/DiT.'),
  withNotes({ type: z.literal('dit-diffusers'), ...ditDiffusers }).describe('DiTTransformer2DModel of diffusers.'),
  withNotes({ type: z.literal('uvit'), ...uvit }).describe('U-ViT of baofff/U-ViT.'),
  withNotes({ type: z.literal('song-unet'), ...songUnet }).describe('SongUNet of NVlabs/edm: DDPM++ and NCSN++.'),
  withNotes({ type: z.literal('edm2-unet'), ...edm2Unet }).describe('The magnitude-preserving UNet of NVlabs/edm2.'),
]);
