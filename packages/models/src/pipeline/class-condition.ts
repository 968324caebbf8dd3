/** Class inputs of a sampler. */
import { type Arrays, oneHot } from '@dm/ops';
import type { Model } from '../model.js';

/** A conditional model, and which of its classes are to be drawn. */
export interface ClassLabels {
  readonly model: Model;
  /** Number of classes, excluding the null class; 0 for an unconditional model. */
  readonly classes: number;
  /** Index of the null class in `cond`, if the model has one. */
  readonly nullClass: number | undefined;
}

/** The class inputs of a sampler, one row per image. */
export interface ClassCondition {
  readonly inputs: Arrays;
  /** The unconditional inputs, for guidance; empty if the model has no null class. */
  readonly unconditional: Arrays;
}

/**
 * Class inputs for `count` images: of class `labels[i]` for image i, or of all classes in turn; empty for an unconditional
 * model.
 */
export function classCondition(
  { model, classes, nullClass }: ClassLabels,
  count: number,
  labels?: ArrayLike<number>,
): ClassCondition {
  if (model.numClasses === 0) return { inputs: {}, unconditional: {} };
  const rows = (labelOf: (i: number) => number): Arrays => ({
    cond: oneHot(
      Array.from({ length: count }, (_, i) => labelOf(i)),
      model.condDim,
    ),
  });
  return {
    inputs: rows((i) => labels?.[i] ?? i % classes),
    unconditional: nullClass === undefined ? {} : rows(() => nullClass),
  };
}
