import type { Tensor } from '@tensorflow/tfjs-core';
import type { FlatLayout, Tensors } from '@dm/ops';

/** Initialization of a parameter. `bound` and `std` already include the scaling by fan-in and fan-out. */
export type Init =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  | { readonly kind: 'uniform'; readonly bound: number }
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'constant'; readonly values: Float32Array };

/** Kind of a parameter. It determines the layout in files (see `toTorch`) and the group for weight decay. */
export type ParamKind = 'conv' | 'linear' | 'vector' | 'embedding';

/**
 * One parameter. `shape` is its shape in memory: HWIO for `conv`, [in, out] for `linear`, [rows, width] for
 * `embedding`.
 */
export interface ParamSpec {
  readonly kind: ParamKind;
  readonly shape: readonly number[];
  readonly init: Init;
  /** False for buffers such as DiT's fixed position table. */
  readonly trainable?: false;
  /**
   * True for weights that `Model.normalization` scales to unit magnitude per output, the last axis in memory.
   */
  readonly normalized?: true;
}

/** A dropout layer. */
export interface DropoutSpec {
  /** Key of its mask in `ApplyOptions.masks`. */
  readonly name: string;
  /** Shape of the mask of one image: [H, W, C]. */
  readonly shape: readonly number[];
  /** Probability of an element to be zeroed. */
  readonly rate: number;
}

/** Cost of one layer in the forward pass of one image. */
export interface LayerCost {
  /** The module's name in the reference, such as `down_blocks.0.resnets.0.conv1`. */
  readonly name: string;
  readonly kind: 'conv' | 'linear' | 'embedding' | 'norm' | 'attention';
  readonly multiplyAdds: number;
  /** Number of output elements. */
  readonly outputs: number;
}

/** Optional arguments of `Model.apply`. */
export interface ApplyOptions {
  /** One-hot class labels, float32 [N, condDim]. Required if the model has classes, otherwise not allowed. */
  readonly cond?: Tensor;
  /**
   * Dropout masks [N, ...shape] by the names in `Model.dropouts`: 0, or 1 / (1 - rate). Without masks there is no
   * dropout, as in sampling.
   */
  readonly masks?: Tensors;
  /**
   * Save only the inputs of each block for the backward pass, which recomputes the rest: less memory for about a third
   * more compute. Default false.
   */
  readonly activationCheckpointing?: boolean;
}

/** Replaces weights of which the model has only the direction by ones of unit magnitude. */
export interface WeightNormalization {
  /** In a program: params [P] in the layout → [P]. */
  inProgram(this: void, params: Tensor, layout: FlatLayout): Tensor;
  /** Of an array [P], as a new array. */
  ofArray(this: void, params: Float32Array, layout: FlatLayout): Float32Array;
}

/**
 * A model: plain data and a pure function, without hidden state. `specs` has the names and the order of the state dict
 * of the reference implementation, so weights can be converted in both directions.
 */
export interface Model<Config = unknown> {
  /** Name of the reference class, such as `UNet2DModel` or `DiT`. */
  readonly kind: string;
  /**
   * Name prefixes of the input, output, and time or class embedding modules. Optimizers for hidden layers, such as
   * Muon, leave them to Adam.
   */
  readonly outerModules: readonly string[];
  readonly config: Config;
  readonly specs: Readonly<Record<string, ParamSpec>>;
  /** [H, W, C] of one input image. */
  readonly inputShape: readonly [number, number, number];
  /** Output channels: C, or 2C with a learned variance. */
  readonly outChannels: number;
  /** Number of classes; 0 for an unconditional model. */
  readonly numClasses: number;
  /** Width of `cond`: `numClasses`, plus 1 if the model has a separate null class, which is the last column. */
  readonly condDim: number;
  /** In the order of execution. Empty for a model without dropout. */
  readonly dropouts: readonly DropoutSpec[];
  /** Only for models whose weights training normalizes after each update, such as EDM2's. */
  readonly normalization?: WeightNormalization;
  /** In the order of `specs`. */
  readonly layers: readonly LayerCost[];
  /**
   * params by name, x float32 [N, H, W, C], t float32 [N] → [N, H, W, outChannels]. Call it inside `tf.tidy` or in a
   * program of an engine: it does not free its intermediate tensors.
   * @throws {Error} if a parameter is missing, or the shape of an argument is wrong
   */
  apply(params: Tensors, x: Tensor, t: Tensor, options?: ApplyOptions): Tensor;
}
