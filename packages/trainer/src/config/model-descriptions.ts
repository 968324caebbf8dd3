/** Descriptions and defaults of the options of models, for the JSON Schema. */
import {
  ditConfig,
  ditTransformer2dConfig,
  edm2UNetDefaults,
  songUNetDefaults,
  unet2dDefaults as unetDefaults,
  uvitConfig,
  type DiTConfig,
  type DiTTransformer2DConfig,
  type Edm2UNetConfig,
  type SongUNetConfig,
  type UNet2DConfig,
  type UViTConfig,
} from '@dm/models';
import * as z from 'zod';
import { modelSchema } from './model-schema.js';
import type { ModelTypeName } from './model-types.js';

/** Texts by field of a class's configuration, without notes such as `_class_name`. */
type TextsOf<C> = Readonly<Record<Exclude<keyof C, `_${string}`>, Text>>;

interface Text {
  readonly description: string;
  readonly default?: unknown;
}

/** An optional field with a fixed default. */
function option(description: string, value: unknown): Text {
  return { description, default: value };
}

/** An optional field that defaults to the data's value. */
function fromData(description: string): Text {
  return { description: `${description} Default: the data's.` };
}

/** An optional field that, with the others of this kind, determines the size of the model. */
function sized(description: string, value: unknown): Text {
  const other = JSON.stringify(value);
  return {
    description: `${description} Default: a size that fits the images, or ${other} if another size field is set.`,
  };
}

const unet = {
  sample_size: fromData('Height and width of the images, or one number for both.'),
  in_channels: fromData('Channels of the input.'),
  out_channels: fromData('Channels of the output.'),
  center_input_sample: option('Map the input from [0, 1] to [-1, 1].', unetDefaults.center_input_sample),
  time_embedding_type: option('Embedding of the timestep.', unetDefaults.time_embedding_type),
  time_embedding_dim: option(
    'Width of the time embedding; null for 4 block_out_channels[0].',
    unetDefaults.time_embedding_dim,
  ),
  freq_shift: option(
    'Shift of the frequencies of the positional embedding; less than half of block_out_channels[0].',
    unetDefaults.freq_shift,
  ),
  flip_sin_to_cos: option('Cosines before sines in the time embedding.', unetDefaults.flip_sin_to_cos),
  down_block_types: sized('Block type of each level on the way down.', unetDefaults.down_block_types),
  mid_block_type: sized('Middle block; null for none.', unetDefaults.mid_block_type),
  up_block_types: sized('Block type of each level on the way up.', unetDefaults.up_block_types),
  block_out_channels: sized(
    'Channels of each level; norm_num_groups must divide all of them.',
    unetDefaults.block_out_channels,
  ),
  layers_per_block: sized(
    'Residual blocks per level on the way down; one more on the way up.',
    unetDefaults.layers_per_block,
  ),
  mid_block_scale_factor: option(
    'Divisor of the output of the residual blocks in the middle.',
    unetDefaults.mid_block_scale_factor,
  ),
  downsample_padding: option(
    'Padding of strided convolutions: 1 on all sides, or 0 for 1 below and to the right.',
    unetDefaults.downsample_padding,
  ),
  downsample_type: option('Downsampling of attention blocks.', unetDefaults.downsample_type),
  upsample_type: option('Upsampling of attention blocks.', unetDefaults.upsample_type),
  dropout: option('Dropout rate of the residual blocks.', unetDefaults.dropout),
  act_fn: option('Activation function.', unetDefaults.act_fn),
  attention_head_dim: sized(
    'Channels per attention head; null for one head of all channels.',
    unetDefaults.attention_head_dim,
  ),
  norm_num_groups: sized('Groups of the group norms; null with skip blocks.', unetDefaults.norm_num_groups),
  attn_norm_num_groups: option(
    "Groups of the middle attention's norm; null for norm_num_groups, or for no norm with scale_shift.",
    unetDefaults.attn_norm_num_groups,
  ),
  norm_eps: option('Epsilon of the group norms.', unetDefaults.norm_eps),
  resnet_time_scale_shift: option(
    'How the time embedding enters a residual block.',
    unetDefaults.resnet_time_scale_shift,
  ),
  add_attention: sized('Attention in the middle block.', unetDefaults.add_attention),
  class_embed_type: option(
    'Class embedding: timestep embeds the number of the class as a time, identity is the one-hot label; null for a table.',
    unetDefaults.class_embed_type,
  ),
  num_class_embeds: fromData(
    'Rows of the class embedding, including the null class if there is one; null for an unconditional model.',
  ),
  num_train_timesteps: option(
    'Rows of the learned time embedding; no effect with others.',
    unetDefaults.num_train_timesteps,
  ),
} satisfies TextsOf<UNet2DConfig>;

const ditDefaults = ditConfig({});

const dit = {
  input_size: fromData('Height and width of the images, which must be square.'),
  patch_size: sized('Side of a patch; must divide input_size.', ditDefaults.patch_size),
  in_channels: fromData('Channels of the images.'),
  hidden_size: sized('Width; a multiple of 4 and of num_heads.', ditDefaults.hidden_size),
  depth: sized('Number of blocks.', ditDefaults.depth),
  num_heads: sized('Attention heads per block.', ditDefaults.num_heads),
  mlp_ratio: sized("Width of a block's MLP divided by hidden_size.", ditDefaults.mlp_ratio),
  class_dropout_prob: option(
    'Fraction of labels that training replaces by the null class; with 0 there is no null class.',
    ditDefaults.class_dropout_prob,
  ),
  num_classes: fromData('Number of classes; 0 for an unconditional model.'),
  learn_sigma: option('Twice the channels in the output, for a learned variance.', false),
} satisfies TextsOf<DiTConfig>;

const transformer2dDefaults = ditTransformer2dConfig({});

const ditDiffusers = {
  num_attention_heads: sized('Attention heads per block.', transformer2dDefaults.num_attention_heads),
  attention_head_dim: sized(
    'Channels per attention head; the width is this times num_attention_heads.',
    transformer2dDefaults.attention_head_dim,
  ),
  in_channels: fromData('Channels of the images.'),
  out_channels: option(
    'Channels of the output; null for in_channels, twice that for a learned variance.',
    transformer2dDefaults.out_channels,
  ),
  num_layers: sized('Number of blocks.', transformer2dDefaults.num_layers),
  dropout: option('Always 0.', transformer2dDefaults.dropout),
  norm_num_groups: option('Has no effect, as in diffusers.', transformer2dDefaults.norm_num_groups),
  attention_bias: option('Bias of queries, keys, and values.', transformer2dDefaults.attention_bias),
  sample_size: fromData('Height and width of the images, which must be square.'),
  patch_size: sized('Side of a patch; must divide sample_size.', transformer2dDefaults.patch_size),
  activation_fn: option('Activation function of the MLPs.', transformer2dDefaults.activation_fn),
  num_embeds_ada_norm: fromData('Number of classes; a null class is added to them.'),
  upcast_attention: option('Has no effect in float32.', transformer2dDefaults.upcast_attention),
  norm_type: option('Norm of the blocks.', transformer2dDefaults.norm_type),
  norm_elementwise_affine: option('Always false.', transformer2dDefaults.norm_elementwise_affine),
  norm_eps: option('Epsilon of the norm before each MLP.', transformer2dDefaults.norm_eps),
} satisfies TextsOf<DiTTransformer2DConfig>;

const uvitDefaults = uvitConfig({});

const uvit = {
  img_size: fromData('Height and width of the images, which must be square.'),
  patch_size: sized('Side of a patch; must divide img_size.', uvitDefaults.patch_size),
  in_chans: fromData('Channels of the images.'),
  embed_dim: sized('Width; a multiple of num_heads.', uvitDefaults.embed_dim),
  depth: sized('Blocks besides the middle one; even.', uvitDefaults.depth),
  num_heads: sized('Attention heads per block.', uvitDefaults.num_heads),
  mlp_ratio: sized("Width of a block's MLP divided by embed_dim.", uvitDefaults.mlp_ratio),
  qkv_bias: option('Bias of queries, keys, and values.', uvitDefaults.qkv_bias),
  mlp_time_embed: option('MLP on the time token.', uvitDefaults.mlp_time_embed),
  num_classes: fromData(
    'Rows of the label table, including the null class if there is one; -1 for an unconditional model.',
  ),
  conv: option('3x3 convolution at the end.', uvitDefaults.conv),
  skip: option('Long skip connections.', uvitDefaults.skip),
} satisfies TextsOf<UViTConfig>;

/** Fields of both networks of NVlabs. */
const nvlabs = (defaults: typeof songUNetDefaults | typeof edm2UNetDefaults) => ({
  img_resolution: fromData('Height and width of the images, which must be square.'),
  label_dim: fromData('Number of classes; 0 for an unconditional model.'),
  model_channels: sized('Channels that the levels are multiples of.', defaults.model_channels),
  channel_mult: sized('Channels of each level over model_channels.', defaults.channel_mult),
  num_blocks: sized('Residual blocks per level on the way down; one more on the way up.', defaults.num_blocks),
  attn_resolutions: sized('Sides of the levels with attention.', defaults.attn_resolutions),
  dropout: option('Dropout rate of the residual blocks.', defaults.dropout),
  resample_filter: option('Filter of up- and downsampling.', defaults.resample_filter),
});

const songUnet = {
  ...nvlabs(songUNetDefaults),
  in_channels: fromData('Channels of the input.'),
  out_channels: fromData('Channels of the output.'),
  augment_dim: option('Width of the augmentation labels, which are taken to be zero.', songUNetDefaults.augment_dim),
  channel_mult_emb: sized('Width of the embedding over model_channels.', songUNetDefaults.channel_mult_emb),
  label_dropout: option(
    'Fraction of labels that training replaces by the null class; 0 for none.',
    songUNetDefaults.label_dropout,
  ),
  embedding_type: option('positional for DDPM++, fourier for NCSN++.', songUNetDefaults.embedding_type),
  channel_mult_noise: option('Width of that embedding over model_channels.', songUNetDefaults.channel_mult_noise),
  encoder_type: option('standard for DDPM++, residual for NCSN++.', songUNetDefaults.encoder_type),
  decoder_type: option('skip: each level adds to the output.', songUNetDefaults.decoder_type),
} satisfies TextsOf<SongUNetConfig>;

const edm2Unet = {
  ...nvlabs(edm2UNetDefaults),
  img_channels: fromData('Channels of the images.'),
  channel_mult_noise: option(
    'Width of the noise embedding over model_channels; null for the first level.',
    edm2UNetDefaults.channel_mult_noise,
  ),
  channel_mult_emb: option(
    'Width of the embedding over model_channels; null for the widest level.',
    edm2UNetDefaults.channel_mult_emb,
  ),
  label_balance: option('Share of the class embedding.', edm2UNetDefaults.label_balance),
  concat_balance: option('Share of the skip connections.', edm2UNetDefaults.concat_balance),
  channels_per_head: sized('Channels per attention head.', edm2UNetDefaults.channels_per_head),
  res_balance: option('Share of the residual branches.', edm2UNetDefaults.res_balance),
  attn_balance: option('Share of the attention branches.', edm2UNetDefaults.attn_balance),
  clip_act: option('Limit of activations; null for none.', edm2UNetDefaults.clip_act),
} satisfies TextsOf<Edm2UNetConfig>;

/** By type and field; the text of a type itself has an empty name. */
const models: { readonly [N in ModelTypeName]: Readonly<Record<string, Text>> } = {
  unet: { '': { description: 'UNet2DModel of diffusers.' }, ...unet },
  dit: { '': { description: 'DiT of facebookresearch/DiT.' }, ...dit },
  'dit-diffusers': { '': { description: 'DiTTransformer2DModel of diffusers.' }, ...ditDiffusers },
  uvit: { '': { description: 'U-ViT of baofff/U-ViT.' }, ...uvit },
  'song-unet': { '': { description: 'SongUNet of NVlabs/edm: DDPM++ and NCSN++.' }, ...songUnet },
  'edm2-unet': { '': { description: 'The magnitude-preserving UNet of NVlabs/edm2.' }, ...edm2Unet },
};

/** Adds the descriptions and defaults to the fields of the schema, from which zod writes them to a JSON Schema. */
export function describeModels(): void {
  for (const object of modelSchema.options) {
    const { type, ...fields } = object.shape as z.core.$ZodLooseShape;
    const own = models[(type as z.ZodLiteral<ModelTypeName>).value];
    for (const [name, schema] of Object.entries({ ...fields, '': object }))
      z.globalRegistry.add(schema, { ...own[name] });
  }
}
