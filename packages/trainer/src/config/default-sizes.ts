/**
 * Default model sizes for a configuration that sets only the type (`--model dit`): below 50 million parameters for images
 * of up to 256 x 256. The reference classes default to their largest model (DiT-XL: 674 million) or to 224 x 224 images.
 */
import {
  unetPresets,
  type DiTConfig,
  type Edm2UNetConfig,
  type SongUNetConfig,
  type UNet2DOptions,
  type UViTConfig,
} from '@dm/models';
import { UserError } from '../errors.js';

interface ImageShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

interface TransformerSize {
  readonly patch: number;
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
}

/** Sizes by the maximum side of the images. */
const transformerWidths = [
  { side: 16, width: 128, depth: 4, heads: 4 },
  { side: 32, width: 256, depth: 6, heads: 4 },
  { side: Infinity, width: 384, depth: 12, heads: 6 }, // DiT-S
];

function transformerSize({ height, width }: ImageShape): TransformerSize {
  const side = Math.max(height, width);
  const { side: _side, ...size } = transformerWidths.find((row) => side <= row.side)!;
  const patch = patchSize(side);
  if (patch === undefined) throw noPatchError(side);
  return { patch, ...size };
}

/** Range of patches per side: fewer carry little information, and the time of a step grows faster than their number. */
const [fewestPatches, mostPatches] = [4, 32];

/**
 * The smallest divisor of `side` that gives at most 8 patches per side (16 for images larger than 32 x 32), otherwise at
 * most 32; undefined if none does.
 */
function patchSize(side: number): number | undefined {
  const patches = side <= 32 ? 8 : 16;
  const divisors = Array.from({ length: side }, (_, i) => i + 1).filter((p) => side % p === 0);
  const isEnough = (p: number) => side / p >= Math.min(fewestPatches, side);
  return (
    divisors.find((p) => side / p <= patches && isEnough(p)) ??
    divisors.find((p) => side / p <= mostPatches && isEnough(p))
  );
}

function noPatchError(side: number): UserError {
  let [lower, upper] = [side - 1, side + 1];
  while (patchSize(lower) === undefined) lower--;
  while (patchSize(upper) === undefined) upper++;
  return new UserError(
    `Images of ${side} x ${side} cannot be divided into ${fewestPatches} to ${mostPatches} patches per side. Set ` +
      `imageSize to ${lower} or ${upper} if the data are image files, set model.patch_size, or choose the model unet.`,
    { code: 'CONFIG_INVALID' },
  );
}

/** Size of `dit`. */
export function ditSize(data: ImageShape): Pick<DiTConfig, 'patch_size' | 'hidden_size' | 'depth' | 'num_heads'> {
  const { patch, width, depth, heads } = transformerSize(data);
  return { patch_size: patch, hidden_size: width, depth, num_heads: heads };
}

/** Size of `dit-diffusers`. */
export function ditTransformer2dSize(data: ImageShape): Record<string, number> {
  const { patch, width, depth, heads } = transformerSize(data);
  return { patch_size: patch, num_layers: depth, num_attention_heads: heads, attention_head_dim: width / heads };
}

/** Size of `uvit`. */
export function uvitSize(data: ImageShape): Pick<UViTConfig, 'patch_size' | 'embed_dim' | 'depth' | 'num_heads'> {
  const { patch, width, depth, heads } = transformerSize(data);
  return { patch_size: patch, embed_dim: width, depth, num_heads: heads };
}

/** Levels, channels and blocks of the networks of NVlabs: as many levels as the images can be halved, at most four. */
function nvlabsSize({ height, width }: ImageShape) {
  const side = Math.max(height, width);
  const isSmall = side <= 28;
  const mults = isSmall ? [1, 2, 2] : [1, 2, 2, 2];
  let possible = 1;
  while (side % 2 ** possible === 0) possible++;
  return {
    model_channels: isSmall ? 32 : 64,
    channel_mult: mults.slice(0, possible),
    num_blocks: isSmall ? 1 : 2,
    attn_resolutions: isSmall ? [] : [attentionSide],
  };
}

/** Size of `song-unet`. */
export function songUNetSize(
  data: ImageShape,
): Pick<SongUNetConfig, 'model_channels' | 'channel_mult' | 'num_blocks' | 'attn_resolutions'> {
  return nvlabsSize(data);
}

/** Size of `edm2-unet`. */
export function edm2UNetSize(
  data: ImageShape,
): Pick<Edm2UNetConfig, 'model_channels' | 'channel_mult' | 'num_blocks' | 'attn_resolutions' | 'channels_per_head'> {
  return { ...nvlabsSize(data), channels_per_head: 32 };
}

type UNetSize = Omit<UNet2DOptions, 'sample_size'>;

/** The level with feature maps of this side has attention in its blocks. */
const attentionSide = 16;

/** Size of `unet`: a preset of @dm/models, with as many of its levels as the images can be halved. */
export function unetSize({ height, width, channels }: ImageShape): UNetSize {
  const side = Math.max(height, width);
  if (side <= 28 && channels === 1) return sizeOf(unetPresets.mnist, { height, width, attention: Infinity });
  const attention = Math.max(1, Math.ceil(Math.log2(side / attentionSide)));
  return sizeOf(unetPresets[side <= 48 ? 'cifar10-small' : 'small-64'], { height, width, attention });
}

/** `preset` for images of another size. `attention`: index of the level whose blocks have attention. */
function sizeOf(
  preset: UNet2DOptions,
  { height, width, attention }: { height: number; width: number; attention: number },
): UNetSize {
  const { sample_size: _size, in_channels: _in, out_channels: _out, ...rest } = preset;
  let possible = 1;
  while (height % 2 ** possible === 0 && width % 2 ** possible === 0) possible++;
  const widths = [...preset.block_out_channels!];
  // Larger images get more levels, as wide as the last one.
  while (Number.isFinite(attention) && widths.length <= attention) widths.push(widths.at(-1)!);
  const levels = Math.min(widths.length, possible);
  const hasAttention = Array.from({ length: levels }, (_, i) => i === attention);
  return {
    ...rest,
    block_out_channels: widths.slice(0, levels),
    down_block_types: hasAttention.map((has) => (has ? 'AttnDownBlock2D' : 'DownBlock2D')),
    up_block_types: hasAttention.toReversed().map((has) => (has ? 'AttnUpBlock2D' : 'UpBlock2D')),
    // Attention over more than 32 x 32 positions needs more memory than the rest of the model.
    ...(Math.max(height, width) / 2 ** (levels - 1) > 32 && { add_attention: false }),
  };
}
