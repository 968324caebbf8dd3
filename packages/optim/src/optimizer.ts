import type { Tensor } from '@tensorflow/tfjs-core';
import { float32, type Float32NdArray, type Tensors } from '@dm/ops';

/** Numbers that change from step to step; they enter the compiled step as inputs (float32 scalars). */
export type Scalars = Readonly<Record<string, number>>;

/**
 * An optimizer over one flat parameter vector. `scalars` runs on the host in float64; `update` is tensor arithmetic
 * inside the (compiled) training step.
 */
export interface Optimizer {
  readonly name: string;
  /** Names of the vectors that it keeps alongside the parameters, each [layout.size]. */
  readonly slots: readonly string[];
  /** The slots before the first step: zeros [size] each; size is the number of parameters. */
  init(size: number): Record<string, Float32NdArray>;
  /** Inputs of `update` at optimizer step `step` (from 0). Their names never change. */
  scalars(step: number): Scalars;
  /** One step: params, grads [size]; slots by name; scalars by name, each a scalar tensor. */
  update(
    params: Tensor,
    grads: Tensor,
    slots: Tensors,
    scalars: Tensors,
  ): { readonly params: Tensor; readonly slots: Tensors };
}

/** `slots` and `init` of an optimizer with slots of these names. */
export function zeroSlots(slots: readonly string[]): Pick<Optimizer, 'slots' | 'init'> {
  return {
    slots,
    init: (size) => Object.fromEntries(slots.map((name) => [name, float32(new Float32Array(size))])),
  };
}
