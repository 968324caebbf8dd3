import type { UViTConfig } from './config.js';

type Size = Pick<UViTConfig, 'depth' | 'embed_dim' | 'num_heads'>;

/** Sizes of Table 1 of arXiv:2209.12152, to spread into a configuration. `depth` does not count the middle block. */
export const uvitSizes = {
  'U-ViT-S': { depth: 12, embed_dim: 512, num_heads: 8 },
  'U-ViT-S-Deep': { depth: 16, embed_dim: 512, num_heads: 8 },
  'U-ViT-M': { depth: 16, embed_dim: 768, num_heads: 12 },
  'U-ViT-L': { depth: 20, embed_dim: 1024, num_heads: 16 },
  'U-ViT-H': { depth: 28, embed_dim: 1152, num_heads: 16 },
} as const satisfies Readonly<Record<string, Size>>;
