import type { DiTConfig } from './config.js';

type Size = Pick<DiTConfig, 'depth' | 'hidden_size' | 'num_heads' | 'patch_size'>;

const widths = {
  S: { depth: 12, hidden_size: 384, num_heads: 6 },
  B: { depth: 12, hidden_size: 768, num_heads: 12 },
  L: { depth: 24, hidden_size: 1024, num_heads: 16 },
  XL: { depth: 28, hidden_size: 1152, num_heads: 16 },
} as const;

/** Model names of the paper. `DiT-S/2` has patches of 2 x 2. */
export type DiTSizeName = `DiT-${keyof typeof widths}/${2 | 4 | 8}`;

/** Sizes of Table 1 of arXiv:2212.09748 with each patch size, to spread into a configuration. */
export const ditSizes = /* @__PURE__ */ sizesByName();

function sizesByName(): Readonly<Record<DiTSizeName, Size>> {
  const entries = Object.entries(widths).flatMap(([name, width]) =>
    ([2, 4, 8] as const).map((patch) => [`DiT-${name}/${patch}`, { ...width, patch_size: patch }]),
  );
  return Object.fromEntries(entries) as Record<DiTSizeName, Size>;
}
