import * as tf from '@tensorflow/tfjs-core';
import { checkNonNegative, type FlatLayout } from '@dm/ops';

/** One coefficient >= 0 for all parameters, or one per group of the layout (0 for groups that are not listed). */
export type WeightDecay = number | { readonly layout: FlatLayout; readonly byGroup: Readonly<Record<string, number>> };

/** A run of adjacent parameters with the same coefficient. */
interface Run {
  size: number;
  readonly decay: number;
}

/**
 * Decoupled weight decay, Algorithm 2 of Loshchilov & Hutter 2019, arXiv:1711.05101: returns a function that multiplies
 * each parameter by 1 - lr decay, for params [P] and a scalar tensor `lr`.
 * @throws {RangeError} if a coefficient is not >= 0, or the layout does not have a group named by it
 */
export function decoupledDecay(
  owner: string,
  weightDecay: WeightDecay,
): (params: tf.Tensor, lr: tf.Tensor) => tf.Tensor {
  const runs = decayRuns(owner, weightDecay);
  if (runs.length === 1) return (params, lr) => shrink(params, lr, runs[0]!.decay);
  const sizes = runs.map((run) => run.size);
  return (params, lr) => {
    const pieces = tf.split(params, sizes);
    return tf.concat(pieces.map((piece, i) => shrink(piece, lr, runs[i]!.decay)));
  };
}

function shrink(params: tf.Tensor, lr: tf.Tensor, decay: number): tf.Tensor {
  return decay === 0 ? params : tf.mul(params, tf.sub(1, tf.mul(lr, decay)));
}

function decayRuns(owner: string, weightDecay: WeightDecay): readonly Run[] {
  const check = (field: string, value: number): void => checkNonNegative(`${owner}: ${field}`, value);
  if (typeof weightDecay === 'number') {
    check('weightDecay', weightDecay);
    return [{ size: 0, decay: weightDecay }];
  }
  const { layout, byGroup } = weightDecay;
  const groups = new Set(layout.entries.map((e) => e.group));
  for (const [group, decay] of Object.entries(byGroup)) {
    check(`weightDecay of group "${group}"`, decay);
    if (!groups.has(group)) {
      throw new RangeError(
        `${owner}: weightDecay has the unknown group "${group}"; the layout's groups are ${[...groups].join(', ')}`,
      );
    }
  }
  const runs: Run[] = [];
  for (const { size, group } of layout.entries) {
    const decay = byGroup[group] ?? 0;
    const last = runs.at(-1);
    if (last?.decay === decay) last.size += size;
    else runs.push({ size, decay });
  }
  return runs;
}
