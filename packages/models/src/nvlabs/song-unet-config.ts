import { checkFields, fieldChecks, refuse } from '../config-error.js';

/** Arguments of `SongUNet` of NVlabs/edm, with the same names and defaults. */
export interface SongUNetConfig {
  /** Height and width of the images, which must be square. */
  readonly img_resolution: number;
  readonly in_channels: number;
  readonly out_channels: number;
  /** Number of classes; 0 for an unconditional model. */
  readonly label_dim: number;
  /** Width of the augmentation labels of a checkpoint; `apply` takes them to be zero. */
  readonly augment_dim: number;
  readonly model_channels: number;
  /** Multiples of `model_channels` at each resolution, from the largest to the smallest. */
  readonly channel_mult: readonly number[];
  readonly channel_mult_emb: number;
  readonly num_blocks: number;
  readonly attn_resolutions: readonly number[];
  readonly dropout: number;
  /** Fraction of labels that training replaces by the null class (all zeros); 0 for a model without a null class. */
  readonly label_dropout: number;
  /** `positional` for DDPM++, `fourier` for NCSN++. */
  readonly embedding_type: 'positional' | 'fourier';
  readonly channel_mult_noise: number;
  /** `standard` for DDPM++, `residual` for NCSN++. */
  readonly encoder_type: 'standard' | 'skip' | 'residual';
  readonly decoder_type: 'standard' | 'skip';
  /** Filter of up- and downsampling: [1, 1] for DDPM++, [1, 3, 3, 1] for NCSN++. */
  readonly resample_filter: readonly number[];
  /** Fields that begin with `_` are passed through unchanged. */
  readonly [note: `_${string}`]: unknown;
}

/** `img_resolution`, `in_channels` and `out_channels` are required. */
export type SongUNetOptions = Partial<SongUNetConfig> &
  Pick<SongUNetConfig, 'img_resolution' | 'in_channels' | 'out_channels'>;

/** Defaults of the optional fields, as in the reference. */
export const songUNetDefaults: Omit<SongUNetConfig, 'img_resolution' | 'in_channels' | 'out_channels'> = {
  label_dim: 0,
  augment_dim: 0,
  model_channels: 128,
  channel_mult: [1, 2, 2, 2],
  channel_mult_emb: 4,
  num_blocks: 4,
  attn_resolutions: [16],
  dropout: 0.1,
  label_dropout: 0,
  embedding_type: 'positional',
  channel_mult_noise: 1,
  encoder_type: 'standard',
  decoder_type: 'standard',
  resample_filter: [1, 1],
};

const kind = 'SongUNet';
const mostLevels = 16;

/** The number of groups of `GroupNorm` of NVlabs/edm: at most 32, and at least 4 channels each. */
export const groupsOf = (channels: number): number => Math.min(32, Math.floor(channels / 4));

/**
 * Validates a configuration and fills in the defaults of NVlabs/edm.
 * @throws {ConfigError} if a field is unknown, the configuration is for another class, a value is not supported, or
 *   sizes are inconsistent
 */
export function songUNetConfig(options: unknown): SongUNetConfig {
  checkFields(kind, options, ['img_resolution', 'in_channels', 'out_channels', ...Object.keys(songUNetDefaults)]);
  const config = { ...songUNetDefaults, ...options } as unknown as SongUNetConfig;
  const check = fieldChecks(kind, config as unknown as Record<string, unknown>);
  for (const field of ['in_channels', 'out_channels', 'channel_mult_emb', 'channel_mult_noise'])
    check.integer(field, 1);
  check.integer('img_resolution', 1, 2 ** 16);
  check.integer('model_channels', 4);
  check.integer('num_blocks', 1, 64);
  for (const field of ['label_dim', 'augment_dim']) check.integer(field, 0);
  check.integers('channel_mult', 1, mostLevels, 1024);
  checkAttention(kind, config);
  for (const field of ['dropout', 'label_dropout']) check.number(field, { least: 0, below: 1 });
  check.oneOf('embedding_type', ['positional', 'fourier']);
  check.oneOf('encoder_type', ['standard', 'skip', 'residual']);
  check.oneOf('decoder_type', ['standard', 'skip']);
  checkResample(kind, config);
  const { model_channels: width, channel_mult: mults, channel_mult_noise: noise, num_blocks: blocks } = config;
  if ((width * noise) % 2 !== 0) throw refuse(kind, 'model_channels', width, 'even');
  const levels = mults.map((mult) => mult * width);
  const widths = new Set(levels);
  // The inputs of decoder blocks are concatenated with outputs of the encoder, from the last to the first.
  const skips = levels.flatMap((c, i) => [i === 0 ? width : levels[i - 1]!, ...Array<number>(blocks).fill(c)]);
  let channels = levels.at(-1)!;
  for (const level of levels.toReversed()) {
    for (let i = 0; i <= blocks; i++) {
      widths.add(channels + skips.pop()!);
      channels = level;
    }
  }
  const odd = [...widths].find((c) => c % groupsOf(c) !== 0);
  if (odd !== undefined) {
    throw refuse(
      kind,
      'model_channels',
      width,
      `such that the groups of each norm divide its channels; a norm of ${odd} channels has ${groupsOf(odd)} groups`,
    );
  }
  return config;
}

/** Checks fields that both networks of NVlabs have. */
export function checkAttention(
  of: string,
  {
    img_resolution: size,
    channel_mult: mults,
    attn_resolutions: resolutions,
  }: Pick<SongUNetConfig, 'img_resolution' | 'channel_mult' | 'attn_resolutions'>,
): void {
  const isList = Array.isArray(resolutions) && resolutions.every((side) => Number.isInteger(side) && side > 0);
  if (!isList) throw refuse(of, 'attn_resolutions', resolutions, 'a list of positive integers');
  const factor = 2 ** (mults.length - 1);
  if (size % factor !== 0) {
    throw refuse(of, 'img_resolution', size, `a multiple of ${factor} with ${mults.length} levels in channel_mult`);
  }
}

/** Checks the filter of up- and downsampling. */
export function checkResample(of: string, { resample_filter: filter }: Pick<SongUNetConfig, 'resample_filter'>): void {
  const isFilter =
    Array.isArray(filter) &&
    filter.length > 0 &&
    filter.length % 2 === 0 &&
    filter.length <= 16 &&
    filter.every((tap) => Number.isFinite(tap)) &&
    filter.reduce((sum: number, tap: number) => sum + tap, 0) !== 0;
  if (!isFilter) throw refuse(of, 'resample_filter', filter, 'a list of an even number of numbers, such as [1, 1]');
}
