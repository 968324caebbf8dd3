const PLAIN = 'diffusion_pytorch_model.safetensors';
/** Matches names such as `diffusion_pytorch_model.fp16.safetensors`. */
const VARIANT = /^diffusion_pytorch_model\.([\w-]+)\.safetensors$/;
/** Matches names such as `diffusion_pytorch_model.safetensors.index.fp16.json`. */
const INDEX_VARIANT = /^diffusion_pytorch_model\.safetensors\.index\.([\w-]+)\.json$/;

export interface FoundWeights {
  readonly name: string;
  /** Whether the file is an index of shards. */
  readonly isIndex: boolean;
  /** The variant, such as `fp16` for files written by `save_pretrained(folder, variant="fp16")`. */
  readonly variant?: string;
}

/**
 * Finds the weights file among the names in a model's folder, by the naming scheme of diffusers. Files without a
 * variant are preferred to `fp16`, and `fp16` to other variants (in alphabetical order); a single file is preferred to
 * an index of shards. Undefined if none are found.
 */
export function findWeights(names: readonly string[]): FoundWeights | undefined {
  if (names.includes(PLAIN)) return { name: PLAIN, isIndex: false };
  if (names.includes(`${PLAIN}.index.json`)) return { name: `${PLAIN}.index.json`, isIndex: true };
  const variants = [VARIANT, INDEX_VARIANT].flatMap((pattern) =>
    names.flatMap((name): FoundWeights[] => {
      const variant = pattern.exec(name)?.[1];
      return variant === undefined ? [] : [{ name, variant, isIndex: pattern === INDEX_VARIANT }];
    }),
  );
  const order = ({ variant }: FoundWeights): string => (variant === 'fp16' ? '' : variant!);
  return variants.toSorted((a, b) => (order(a) < order(b) ? -1 : order(a) > order(b) ? 1 : 0))[0];
}
