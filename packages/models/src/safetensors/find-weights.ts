const PLAIN = 'diffusion_pytorch_model.safetensors';
/** `fp16` of `diffusion_pytorch_model.fp16.safetensors`. */
const VARIANT = /^diffusion_pytorch_model\.([\w-]+)\.safetensors$/;
/** `fp16` of `diffusion_pytorch_model.safetensors.index.fp16.json`. */
const INDEX_VARIANT = /^diffusion_pytorch_model\.safetensors\.index\.([\w-]+)\.json$/;

export interface FoundWeights {
  readonly name: string;
  /** Whether it is an index of shards. */
  readonly isIndex: boolean;
  /** `fp16` for files that `save_pretrained(folder, variant="fp16")` wrote. */
  readonly variant?: string;
}

/**
 * The file of weights to read among the names in a model's folder, by diffusers' names: without a variant, then with one
 * (`fp16` before others, in the order of their names), each as one file before an index of shards. Undefined if there
 * are none.
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
