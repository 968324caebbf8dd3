import { checkFields, fieldChecks, refuse } from '../config-error.js';
import { checkAttention, checkResample } from './song-unet-config.js';

/** Arguments of `UNet` of NVlabs/edm2 and of its blocks, with the same names and defaults. */
export interface Edm2UNetConfig {
  /** Height and width of the images, which must be square. */
  readonly img_resolution: number;
  readonly img_channels: number;
  /** Number of classes; 0 for an unconditional model. */
  readonly label_dim: number;
  readonly model_channels: number;
  /** Multiples of `model_channels` at each resolution, from the largest to the smallest. */
  readonly channel_mult: readonly number[];
  /** Width of the noise embedding over `model_channels`; null for the width of the first level. */
  readonly channel_mult_noise: number | null;
  /** Width of the embedding of noise and class over `model_channels`; null for the largest width of a level. */
  readonly channel_mult_emb: number | null;
  readonly num_blocks: number;
  readonly attn_resolutions: readonly number[];
  /** Share of the class embedding, 0 to 1. */
  readonly label_balance: number;
  /** Share of the skip connections, 0 to 1. */
  readonly concat_balance: number;
  readonly resample_filter: readonly number[];
  readonly channels_per_head: number;
  readonly dropout: number;
  /** Share of the residual branch, 0 to 1. */
  readonly res_balance: number;
  /** Share of the attention branch, 0 to 1. */
  readonly attn_balance: number;
  /** Limit of the magnitude of a block's outputs; null for none. */
  readonly clip_act: number | null;
  /** Fields that begin with `_` are passed through unchanged. */
  readonly [note: `_${string}`]: unknown;
}

/** `img_resolution` and `img_channels` are required. */
export type Edm2UNetOptions = Partial<Edm2UNetConfig> & Pick<Edm2UNetConfig, 'img_resolution' | 'img_channels'>;

/** Defaults of the optional fields, as in the reference. */
export const edm2UNetDefaults: Omit<Edm2UNetConfig, 'img_resolution' | 'img_channels'> = {
  label_dim: 0,
  model_channels: 192,
  channel_mult: [1, 2, 3, 4],
  channel_mult_noise: null,
  channel_mult_emb: null,
  num_blocks: 3,
  attn_resolutions: [16, 8],
  label_balance: 0.5,
  concat_balance: 0.5,
  resample_filter: [1, 1],
  channels_per_head: 64,
  dropout: 0,
  res_balance: 0.3,
  attn_balance: 0.3,
  clip_act: 256,
};

const kind = 'EDM2UNet';

/**
 * Validates a configuration and fills in the defaults of NVlabs/edm2.
 * @throws {ConfigError} if a field is unknown, the configuration is for another class, a value is not supported, or
 *   sizes are inconsistent
 */
export function edm2UNetConfig(options: unknown): Edm2UNetConfig {
  checkFields(kind, options, ['img_resolution', 'img_channels', ...Object.keys(edm2UNetDefaults)]);
  const config = { ...edm2UNetDefaults, ...options } as unknown as Edm2UNetConfig;
  const check = fieldChecks(kind, config as unknown as Record<string, unknown>);
  for (const field of ['img_channels', 'model_channels', 'channels_per_head']) check.integer(field, 1);
  check.integer('img_resolution', 1, 2 ** 16);
  check.integer('num_blocks', 1, 64);
  check.integer('label_dim', 0);
  for (const field of ['channel_mult_noise', 'channel_mult_emb']) check.integerOrNull(field, 1, 1024);
  check.integers('channel_mult', 1, 16, 1024);
  for (const field of ['label_balance', 'concat_balance', 'res_balance', 'attn_balance']) {
    check.number(field, { least: 0, below: 1 });
  }
  check.number('dropout', { least: 0, below: 1 });
  if (config.clip_act !== null) check.positive('clip_act');
  checkAttention(kind, config);
  checkResample(kind, config);
  const { channel_mult: mults, model_channels: width, channels_per_head: head } = config;
  const attended = mults.filter(
    (_, i) => i === mults.length - 1 || config.attn_resolutions.includes(config.img_resolution / 2 ** i),
  );
  const odd = attended.find((mult) => (mult * width) % head !== 0);
  if (odd !== undefined) {
    throw refuse(
      kind,
      'channels_per_head',
      head,
      `a divisor of ${odd * width}, the channels of a level with attention`,
    );
  }
  return config;
}
