import type { Tensor } from '@tensorflow/tfjs-core';
import type { Tensors } from '@dm/ops';

/** How a parameter is filled at the start; `bound` and `std` are already scaled by the fans. */
export type Init =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  | { readonly kind: 'uniform'; readonly bound: number }
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'constant'; readonly values: Float32Array };

/** What a parameter is; decides its layout in files (see `toTorch`) and its weight-decay group. */
export type ParamKind = 'conv' | 'linear' | 'vector' | 'embedding';

/**
 * One parameter: its in-memory shape (HWIO for `conv`, [in, out] for `linear`, [rows, width] for `embedding`) and its
 * initialisation.
 */
export interface ParamSpec {
  readonly kind: ParamKind;
  readonly shape: readonly number[];
  readonly init: Init;
  /** False for buffers such as DiT's fixed position table. */
  readonly trainable?: false;
}

/** What a call may carry besides x and t. */
export interface ApplyOptions {
  /** Class labels, one-hot float32 [N, numClasses + 1 where the model has a null class]. */
  readonly cond?: Tensor;
  /** Dropout masks by layer name, already scaled by 1 / keep; made from (seed, stream, step, image). */
  readonly masks?: Tensors;
}

/**
 * A model is data plus a function: no hidden state. `specs` is in the order of the reference state dict and has its
 * names, so weights move both ways.
 */
export interface Model<Config = unknown> {
  /** The reference class: `UNet2DModel`, `DiT`, ... */
  readonly kind: string;
  readonly config: Config;
  readonly specs: Readonly<Record<string, ParamSpec>>;
  /** [H, W, C] of one input image. */
  readonly inputShape: readonly [number, number, number];
  /** Channels of the output: C, or 2C with a learned variance. */
  readonly outChannels: number;
  /** Classes for conditioning; 0 for an unconditional model. */
  readonly numClasses: number;
  /** params by name, x float32 [N, H, W, C], t float32 [N] → [N, H, W, outChannels]. Inside `tf.tidy` or a trace. */
  apply(params: Tensors, x: Tensor, t: Tensor, options?: ApplyOptions): Tensor;
}
