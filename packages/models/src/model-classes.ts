import { dit } from './dit/dit.js';
import { ditTransformer2d } from './dit/transformer2d.js';
import type { Model } from './model.js';
import { edm2UNet } from './nvlabs/edm2-unet.js';
import { songUNet } from './nvlabs/song-unet.js';
import { unet2d } from './unet/unet2d.js';
import { uvit } from './uvit/uvit.js';

/** Model functions by the name of the reference class, as in `Model.kind` and the `_class_name` of diffusers. */
export const modelClasses = {
  UNet2DModel: unet2d,
  DiT: dit,
  DiTTransformer2DModel: ditTransformer2d,
  UViT: uvit,
  SongUNet: songUNet,
  EDM2UNet: edm2UNet,
} as const satisfies Readonly<Record<string, (config: never) => Model>>;

export type ModelClass = keyof typeof modelClasses;
