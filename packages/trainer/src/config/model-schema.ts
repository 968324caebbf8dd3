/**
 * The model part of a configuration: the fields of each model class of @dm/models, by their names there. Descriptions
 * and defaults are in model-descriptions.ts, which training does not load.
 */
import type {
  DiTConfig,
  DiTTransformer2DConfig,
  Edm2UNetConfig,
  SongUNetConfig,
  UNet2DConfig,
  UViTConfig,
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

const sides = z.int().min(1).max(65_536);

const unet = {
  sample_size: z.union([sides, z.tuple([sides, sides])]).exactOptional(),
  in_channels: size.exactOptional(),
  out_channels: size.exactOptional(),
  center_input_sample: z.boolean().exactOptional(),
  time_embedding_type: z.enum(['positional', 'fourier', 'learned']).exactOptional(),
  time_embedding_dim: size.nullable().exactOptional(),
  freq_shift: z.number().exactOptional(),
  flip_sin_to_cos: z.boolean().exactOptional(),
  down_block_types: z
    .array(
      z.enum(['DownBlock2D', 'AttnDownBlock2D', 'ResnetDownsampleBlock2D', 'SkipDownBlock2D', 'AttnSkipDownBlock2D']),
    )
    .min(1)
    .max(16)
    .exactOptional(),
  mid_block_type: z.literal(['UNetMidBlock2D', null]).exactOptional(),
  up_block_types: z
    .array(z.enum(['UpBlock2D', 'AttnUpBlock2D', 'ResnetUpsampleBlock2D', 'SkipUpBlock2D', 'AttnSkipUpBlock2D']))
    .min(1)
    .max(16)
    .exactOptional(),
  block_out_channels: z.array(size).min(1).max(16).exactOptional(),
  layers_per_block: z.int().min(1).max(64).exactOptional(),
  mid_block_scale_factor: positive.exactOptional(),
  downsample_padding: z.literal([0, 1]).exactOptional(),
  downsample_type: z.enum(['conv', 'resnet']).exactOptional(),
  upsample_type: z.enum(['conv', 'resnet']).exactOptional(),
  dropout: fraction.exactOptional(),
  act_fn: z.enum(['silu', 'swish', 'gelu', 'mish', 'relu']).exactOptional(),
  attention_head_dim: size.nullable().exactOptional(),
  norm_num_groups: size.nullable().exactOptional(),
  attn_norm_num_groups: size.nullable().exactOptional(),
  norm_eps: positive.exactOptional(),
  resnet_time_scale_shift: z.enum(['default', 'scale_shift']).exactOptional(),
  add_attention: z.boolean().exactOptional(),
  class_embed_type: z.literal(['timestep', 'identity', null]).exactOptional(),
  num_class_embeds: size.nullable().exactOptional(),
  num_train_timesteps: z.number().nullable().exactOptional(),
} satisfies FieldsOf<UNet2DConfig>;

const dit = {
  input_size: size.exactOptional(),
  patch_size: size.exactOptional(),
  in_channels: size.exactOptional(),
  hidden_size: size.exactOptional(),
  depth: z.int().min(1).max(mostBlocks).exactOptional(),
  num_heads: size.exactOptional(),
  mlp_ratio: mlpRatio.exactOptional(),
  class_dropout_prob: fraction.exactOptional(),
  num_classes: z.int().min(0).max(largestSize).exactOptional(),
  learn_sigma: z.boolean().exactOptional(),
} satisfies FieldsOf<DiTConfig>;

const ditDiffusers = {
  num_attention_heads: size.exactOptional(),
  attention_head_dim: size.exactOptional(),
  in_channels: size.exactOptional(),
  out_channels: size.nullable().exactOptional(),
  num_layers: z.int().min(1).max(mostBlocks).exactOptional(),
  dropout: z.literal(0).exactOptional(),
  norm_num_groups: size.exactOptional(),
  attention_bias: z.boolean().exactOptional(),
  sample_size: size.exactOptional(),
  patch_size: size.exactOptional(),
  activation_fn: z.literal('gelu-approximate').exactOptional(),
  num_embeds_ada_norm: size.exactOptional(),
  upcast_attention: z.boolean().exactOptional(),
  norm_type: z.literal('ada_norm_zero').exactOptional(),
  norm_elementwise_affine: z.literal(false).exactOptional(),
  norm_eps: positive.exactOptional(),
} satisfies FieldsOf<DiTTransformer2DConfig>;

const uvit = {
  img_size: size.exactOptional(),
  patch_size: size.exactOptional(),
  in_chans: size.exactOptional(),
  embed_dim: size.exactOptional(),
  depth: z.int().min(0).max(mostBlocks).exactOptional(),
  num_heads: size.exactOptional(),
  mlp_ratio: mlpRatio.exactOptional(),
  qkv_bias: z.boolean().exactOptional(),
  mlp_time_embed: z.boolean().exactOptional(),
  num_classes: z.union([z.literal(-1), size]).exactOptional(),
  conv: z.boolean().exactOptional(),
  skip: z.boolean().exactOptional(),
} satisfies FieldsOf<UViTConfig>;

const filter = z.array(z.number()).min(2).max(16);
const mults = z.array(z.int().min(1).max(1024)).min(1).max(16);
const resolutions = z.array(sides).max(16);

/** Fields of both networks of NVlabs. */
const nvlabs = () => ({
  img_resolution: sides.exactOptional(),
  label_dim: z.int().min(0).max(largestSize).exactOptional(),
  model_channels: size.exactOptional(),
  channel_mult: mults.exactOptional(),
  num_blocks: z.int().min(1).max(64).exactOptional(),
  attn_resolutions: resolutions.exactOptional(),
  dropout: fraction.exactOptional(),
  resample_filter: filter.exactOptional(),
});

const songUnet = {
  ...nvlabs(),
  in_channels: size.exactOptional(),
  out_channels: size.exactOptional(),
  augment_dim: z.int().min(0).max(largestSize).exactOptional(),
  channel_mult_emb: size.exactOptional(),
  label_dropout: fraction.exactOptional(),
  embedding_type: z.enum(['positional', 'fourier']).exactOptional(),
  channel_mult_noise: size.exactOptional(),
  encoder_type: z.enum(['standard', 'skip', 'residual']).exactOptional(),
  decoder_type: z.enum(['standard', 'skip']).exactOptional(),
} satisfies FieldsOf<SongUNetConfig>;

const edm2Unet = {
  ...nvlabs(),
  img_channels: size.exactOptional(),
  channel_mult_noise: size.nullable().exactOptional(),
  channel_mult_emb: size.nullable().exactOptional(),
  label_balance: fraction.exactOptional(),
  concat_balance: fraction.exactOptional(),
  channels_per_head: size.exactOptional(),
  res_balance: fraction.exactOptional(),
  attn_balance: fraction.exactOptional(),
  clip_act: positive.nullable().exactOptional(),
} satisfies FieldsOf<Edm2UNetConfig>;

/** The model types and their options; `model-types.ts` creates them. */
export const modelSchema = z.discriminatedUnion('type', [
  withNotes({ type: z.literal('unet'), ...unet }),
  withNotes({ type: z.literal('dit'), ...dit }),
  withNotes({ type: z.literal('dit-diffusers'), ...ditDiffusers }),
  withNotes({ type: z.literal('uvit'), ...uvit }),
  withNotes({ type: z.literal('song-unet'), ...songUnet }),
  withNotes({ type: z.literal('edm2-unet'), ...edm2Unet }),
]);
