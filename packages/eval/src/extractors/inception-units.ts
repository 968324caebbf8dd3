/** The convolutions of InceptionV3 (Szegedy et al. 2015, arXiv:1512.00567), with torchvision's names. */

/** Convolution without bias, batch norm, ReLU. */
export interface InceptionUnit {
  readonly inChannels: number;
  readonly outChannels: number;
  /** [kh, kw] */
  readonly kernel: readonly [number, number];
  readonly stride: 1 | 2;
  /** Zero padding per side, [vertical, horizontal]. */
  readonly pad: readonly [number, number];
}

type Units = Record<string, InceptionUnit>;

/** No padding by default. */
const unit = (
  inChannels: number,
  outChannels: number,
  kernel: number | [number, number] = 1,
  { stride = 1, pad = false }: { stride?: 1 | 2; pad?: boolean } = {},
): InceptionUnit => {
  const [kh, kw] = typeof kernel === 'number' ? [kernel, kernel] : kernel;
  return { inChannels, outChannels, kernel: [kh, kw], stride, pad: pad ? [(kh - 1) / 2, (kw - 1) / 2] : [0, 0] };
};
const padded = { pad: true } as const;
const halving = { stride: 2 } as const;

const blockA = (channels: number, poolFeatures: number): Units => ({
  branch1x1: unit(channels, 64),
  branch5x5_1: unit(channels, 48),
  branch5x5_2: unit(48, 64, 5, padded),
  branch3x3dbl_1: unit(channels, 64),
  branch3x3dbl_2: unit(64, 96, 3, padded),
  branch3x3dbl_3: unit(96, 96, 3, padded),
  branch_pool: unit(channels, poolFeatures),
});

const blockB = (channels: number): Units => ({
  branch3x3: unit(channels, 384, 3, halving),
  branch3x3dbl_1: unit(channels, 64),
  branch3x3dbl_2: unit(64, 96, 3, padded),
  branch3x3dbl_3: unit(96, 96, 3, halving),
});

const blockC = (channels: number, inner: number): Units => ({
  branch1x1: unit(channels, 192),
  branch7x7_1: unit(channels, inner),
  branch7x7_2: unit(inner, inner, [1, 7], padded),
  branch7x7_3: unit(inner, 192, [7, 1], padded),
  branch7x7dbl_1: unit(channels, inner),
  branch7x7dbl_2: unit(inner, inner, [7, 1], padded),
  branch7x7dbl_3: unit(inner, inner, [1, 7], padded),
  branch7x7dbl_4: unit(inner, inner, [7, 1], padded),
  branch7x7dbl_5: unit(inner, 192, [1, 7], padded),
  branch_pool: unit(channels, 192),
});

const blockD = (channels: number): Units => ({
  branch3x3_1: unit(channels, 192),
  branch3x3_2: unit(192, 320, 3, halving),
  branch7x7x3_1: unit(channels, 192),
  branch7x7x3_2: unit(192, 192, [1, 7], padded),
  branch7x7x3_3: unit(192, 192, [7, 1], padded),
  branch7x7x3_4: unit(192, 192, 3, halving),
});

const blockE = (channels: number): Units => ({
  branch1x1: unit(channels, 320),
  branch3x3_1: unit(channels, 384),
  branch3x3_2a: unit(384, 384, [1, 3], padded),
  branch3x3_2b: unit(384, 384, [3, 1], padded),
  branch3x3dbl_1: unit(channels, 448),
  branch3x3dbl_2: unit(448, 384, 3, padded),
  branch3x3dbl_3a: unit(384, 384, [1, 3], padded),
  branch3x3dbl_3b: unit(384, 384, [3, 1], padded),
  branch_pool: unit(channels, 192),
});

const named = (name: string, units: Units): Units =>
  Object.fromEntries(Object.entries(units).map(([part, each]) => [`${name}.${part}`, each]));

export const inceptionUnits: Readonly<Units> = {
  Conv2d_1a_3x3: unit(3, 32, 3, halving),
  Conv2d_2a_3x3: unit(32, 32, 3),
  Conv2d_2b_3x3: unit(32, 64, 3, padded),
  Conv2d_3b_1x1: unit(64, 80),
  Conv2d_4a_3x3: unit(80, 192, 3),
  ...named('Mixed_5b', blockA(192, 32)),
  ...named('Mixed_5c', blockA(256, 64)),
  ...named('Mixed_5d', blockA(288, 64)),
  ...named('Mixed_6a', blockB(288)),
  ...named('Mixed_6b', blockC(768, 128)),
  ...named('Mixed_6c', blockC(768, 160)),
  ...named('Mixed_6d', blockC(768, 160)),
  ...named('Mixed_6e', blockC(768, 192)),
  ...named('Mixed_7a', blockD(768)),
  ...named('Mixed_7b', blockE(1280)),
  ...named('Mixed_7c', blockE(2048)),
};
