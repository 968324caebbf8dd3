import type { Tensor } from '@tensorflow/tfjs-core';
import { float32, type Float32NdArray, type Tensors } from '@dm/ops';

/** Numbers that change from step to step; the compiled step takes them as float32 scalar inputs. */
export type Scalars = Readonly<Record<string, number>>;

/**
 * An optimizer over one flat parameter vector [P]. `scalars` runs on the host in float64; `update` is tensor arithmetic
 * that can be traced and compiled as part of the training step.
 */
export interface Optimizer {
  readonly name: string;
  /** Names of the optimizer's state vectors, each [P]. */
  readonly slots: readonly string[];
  /** The initial slots: zeros [size] each, for `size` = P parameters. */
  init(size: number): Record<string, Float32NdArray>;
  /** Scalar inputs of `update` at optimizer step `step` (from 0). The names are the same at every step. */
  scalars(step: number): Scalars;
  /**
   * One optimizer step. params, grads, and each slot are [P]; `scalars` has the numbers of `scalars(step)` as tensors.
   */
  update(
    params: Tensor,
    grads: Tensor,
    slots: Tensors,
    scalars: Tensors,
  ): { readonly params: Tensor; readonly slots: Tensors };
}

/** `slots` and `init` of an optimizer whose slots have these names. */
export function zeroSlots(slots: readonly string[]): Pick<Optimizer, 'slots' | 'init'> {
  return {
    slots,
    init: (size) => Object.fromEntries(slots.map((name) => [name, float32(new Float32Array(size))])),
  };
}

/**
 * `optimizer`, whose `update` checks that it gets all slots and scalars.
 * @throws {TypeError} from `update` if one is missing; TF.js's own error would not name it
 */
export function withCheckedUpdate(optimizer: Optimizer): Optimizer {
  const { name, slots } = optimizer;
  const check = (kind: string, given: Tensors, names: readonly string[]) => {
    const missing = names.filter((one) => given[one] === undefined);
    if (missing.length > 0) throw new TypeError(`${name}: update: ${kind} lacks ${missing.join(', ')}`);
  };
  return {
    ...optimizer,
    update(params, grads, given, scalars) {
      check('slots', given, slots);
      check('scalars', scalars, Object.keys(optimizer.scalars(0)));
      return optimizer.update(params, grads, given, scalars);
    },
  };
}
