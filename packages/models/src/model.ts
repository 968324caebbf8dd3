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
 * initialization.
 */
export interface ParamSpec {
  readonly kind: ParamKind;
  readonly shape: readonly number[];
  readonly init: Init;
  /** False for buffers such as DiT's fixed position table. */
  readonly trainable?: false;
}

/** A place in the model at which dropout acts during training. */
export interface DropoutSpec {
  /** Its key in `ApplyOptions.masks`. */
  readonly name: string;
  /** Shape of one image's mask: [H, W, C]. */
  readonly shape: readonly number[];
  /** Probability of a zero. */
  readonly rate: number;
}

/** What one layer does for one image. */
export interface LayerCost {
  /** The module's name in the reference, such as `down_blocks.0.resnets.0.conv1`. */
  readonly name: string;
  readonly kind: 'conv' | 'linear' | 'embedding' | 'norm' | 'attention';
  readonly multiplyAdds: number;
  /** Elements that the layer puts out. */
  readonly outputs: number;
}

/** What a call may carry besides x and t. */
export interface ApplyOptions {
  /** Class labels, one-hot float32 [N, condDim]. Required when the model has classes, refused when it has none. */
  readonly cond?: Tensor;
  /**
   * Dropout masks [N, ...shape] by the names of `Model.dropouts`, already scaled by 1 / keep; made from (seed, stream,
   * step, image). Left out: no dropout, as in sampling.
   */
  readonly masks?: Tensors;
  /**
   * Keep only what goes from block to block for the gradient, which then computes each block a second time: less memory
   * for about a third more work. False by default: the gradient keeps everything.
   */
  readonly activationCheckpointing?: boolean;
}

/**
 * A model is data plus a function: no hidden state. `specs` is in the order of the reference state dict and has its
 * names, so weights move both ways.
 */
export interface Model<Config = unknown> {
  /** The reference class: `UNet2DModel`, `DiT`, ... */
  readonly kind: string;
  /**
   * Modules of `specs` that take the input in, put the output out, or embed time or class, by the beginning of their
   * parameters' names: the layers that optimizers for hidden layers leave to Adam.
   */
  readonly outerModules: readonly string[];
  readonly config: Config;
  readonly specs: Readonly<Record<string, ParamSpec>>;
  /** [H, W, C] of one input image. */
  readonly inputShape: readonly [number, number, number];
  /** Channels of the output: C, or 2C with a learned variance. */
  readonly outChannels: number;
  /** Classes for conditioning; 0 for an unconditional model. */
  readonly numClasses: number;
  /**
   * Width of `cond`: `numClasses`, plus 1 if the model has its own null class, which is then the last column.
   */
  readonly condDim: number;
  /** In the order in which they act; empty for a model without dropout. */
  readonly dropouts: readonly DropoutSpec[];
  /** In the order of `specs`. */
  readonly layers: readonly LayerCost[];
  /** params by name, x float32 [N, H, W, C], t float32 [N] → [N, H, W, outChannels]. Inside `tf.tidy` or a trace. */
  apply(params: Tensors, x: Tensor, t: Tensor, options?: ApplyOptions): Tensor;
}
