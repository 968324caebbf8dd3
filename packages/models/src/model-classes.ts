import { dit } from './dit/dit.js';
import { ditTransformer2d } from './dit/transformer2d.js';
import type { Model } from './model.js';
import { unet2d } from './unet/extended.js';
import { uvit } from './uvit/uvit.js';

/**
 * Model functions by the name of the reference class, as in `Model.kind` and the `_class_name` of diffusers. Without those
 * of NVlabs, whose files have no configuration with a class name, so that pages that load a pipeline do not contain them.
 */
export const modelClasses = {
  UNet2DModel: unet2d,
  DiT: dit,
  DiTTransformer2DModel: ditTransformer2d,
  UViT: uvit,
} as const satisfies Readonly<Record<string, (config: never) => Model>>;

export type ModelClass = keyof typeof modelClasses;
