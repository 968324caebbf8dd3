import type { Tensor } from '@tensorflow/tfjs-core';
import type { Tensors } from '@dm/ops';

/** Numbers that change from step to step; they enter the compiled step as inputs (float32 scalars). */
export type Scalars = Readonly<Record<string, number>>;

/**
 * An optimizer over one flat parameter vector. `scalars` runs on the host in float64; `update` is tensor arithmetic
 * inside the (compiled) training step.
 */
export interface Optimizer {
  readonly name: string;
  /** Names of the vectors that it keeps beside the parameters, each [layout.size], zero at the start. */
  readonly slots: readonly string[];
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
