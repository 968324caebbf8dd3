import * as tf from '@tensorflow/tfjs-core';
import {
  checkChoice,
  checkInRange,
  checkInteger,
  checkNonNegative,
  type FlatEntry,
  type FlatLayout,
  type Tensors,
} from '@dm/ops';
import { adamMoments } from './adam-moments.js';
import { type Optimizer, withCheckedUpdate, zeroSlots } from './optimizer.js';
import { asSchedule, lrSchedule, type StepSchedule } from './step-schedule.js';

export interface MuonOptions {
  /** Names, shapes, and offsets of the parameters in the flat vector. */
  readonly layout: FlatLayout;
  /** Learning rate of the hidden matrices: a number or a schedule. */
  readonly lr: number | StepSchedule;
  /** Momentum of the hidden matrices, in averaged form: a number in [0, 1) or a schedule. Default 0.95. */
  readonly momentum?: number | StepSchedule;
  /** Decoupled weight decay of the hidden matrices, multiplied by the learning rate; >= 0. Default 0.1. */
  readonly weightDecay?: number;
  /** Newton-Schulz iterations, >= 1. Default 5. */
  readonly iterations?: number;
  /**
   * Scale of the orthogonalized update (`adjust_lr_fn` in PyTorch): `original` (default), sqrt(max(1, out / in)); or
   * `matchRmsAdamW`, 0.2 sqrt(max(in, out)), which matches the size of AdamW's updates, so that learning rates and
   * weight decays tuned for AdamW can be reused (Liu et al. 2025, arXiv:2502.16982).
   */
  readonly adjustLr?: (typeof muonLrAdjustments)[number];
  /**
   * Which parameters are orthogonalized; each must have rank 2 or higher. Default: the group `matrix`, except for
   * input, output, and time layers (`outer`).
   */
  readonly isHidden?: (entry: FlatEntry) => boolean;
  /** Options of Adam, which updates all other parameters (without weight decay). */
  readonly adam: {
    readonly lr: number | StepSchedule;
    readonly beta1?: number | StepSchedule;
    readonly beta2?: number;
    readonly eps?: number;
  };
}

/** Values of `adjustLr`. */
export const muonLrAdjustments = ['original', 'matchRmsAdamW'] as const;

/** A hidden matrix, or a run of adjacent other parameters. */
interface Piece {
  size: number;
  /** [rows, columns] of a hidden matrix: the product of all axes but the last, and the last. */
  readonly matrix?: readonly [number, number];
}

/**
 * Muon, Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon), as `torch.optim.Muon` with Nesterov momentum,
 * for hidden matrices and convolution kernels (reshaped to [kh kw in, out]); Adam for all other parameters.
 *
 *   m <- mu m + (1 - mu) g,    O = NewtonSchulz(mu m + (1 - mu) g)
 *   p <- p (1 - lr wd) - lr scale O,    scale = sqrt(max(1, out / in)) or 0.2 sqrt(max(in, out))
 *
 * The Newton-Schulz iterations run in float32; PyTorch's run in bfloat16.
 * @throws {RangeError} if an option is out of range, a hidden parameter has rank below 2, or no parameter is hidden
 */
export function muon(options: MuonOptions): Optimizer {
  const { layout, momentum = 0.95, weightDecay = 0.1, iterations = 5, adjustLr = 'original' } = options;
  const isHidden = options.isHidden ?? ((entry: FlatEntry) => entry.group === 'matrix' && entry.outer !== true);
  checkChoice('muon: adjustLr', adjustLr, muonLrAdjustments);
  if (typeof momentum === 'number') checkInRange('muon: momentum', momentum, '[0, 1)');
  checkNonNegative('muon: weightDecay', weightDecay);
  checkInteger('muon: iterations', iterations, 1);
  const pieces = toPieces(layout, isHidden);
  const sizes = pieces.map((piece) => piece.size);
  const lr = lrSchedule('muon', options.lr);
  const mu = asSchedule(momentum);
  const moments = adamMoments('muon', options.adam);

  const updateMatrix = (
    p: tf.Tensor,
    g: tf.Tensor,
    before: tf.Tensor,
    [rows, cols]: readonly [number, number],
    s: Tensors,
  ) => {
    const gained = tf.mul(g, s.muonGain!);
    const m = tf.add(tf.mul(before, s.momentum!), gained);
    const nesterov = tf.reshape(tf.add(tf.mul(m, s.momentum!), gained), [rows, cols]);
    const scale = adjustLr === 'original' ? Math.sqrt(Math.max(1, cols / rows)) : 0.2 * Math.sqrt(Math.max(rows, cols));
    const step = tf.mul(orthogonalize(nesterov, iterations), scale);
    const decayed = tf.mul(p, tf.sub(1, tf.mul(s.muonLr!, weightDecay)));
    return { m, p: tf.sub(decayed, tf.mul(tf.reshape(step, [rows * cols]), s.muonLr!)) };
  };

  return withCheckedUpdate({
    name: 'muon',
    ...zeroSlots(moments.slots),
    scalars: (step) => ({
      ...moments.scalars(step),
      muonLr: lr(step),
      momentum: mu(step),
      muonGain: 1 - mu(step),
    }),
    update(params, grads, slots, scalars) {
      const [p, g, m, v] = [params, grads, slots.m!, slots.v!].map((flat) => tf.split(flat, sizes)) as [
        tf.Tensor[],
        tf.Tensor[],
        tf.Tensor[],
        tf.Tensor[],
      ];
      pieces.forEach(({ matrix }, i) => {
        if (matrix) {
          ({ p: p[i], m: m[i] } = updateMatrix(p[i]!, g[i]!, m[i]!, matrix, scalars));
        } else {
          const { direction, slots: next } = moments.update(g[i]!, { m: m[i]!, v: v[i]! }, scalars);
          p[i] = tf.sub(p[i]!, direction);
          m[i] = next.m!;
          v[i] = next.v!;
        }
      });
      return { params: tf.concat(p), slots: { m: tf.concat(m), v: tf.concat(v) } };
    },
  });
}

/**
 * Approximates the nearest semi-orthogonal matrix by quintic Newton-Schulz iterations, [r, c] → [r, c]; after 5 of them
 * the singular values are between about 0.7 and 1.2. The coefficients are from `zeropower_via_newtonschulz5` in
 * https://github.com/KellerJordan/Muon.
 */
export function orthogonalize(matrix: tf.Tensor, iterations: number): tf.Tensor {
  const [a, b, c] = [3.4445, -4.775, 2.0315];
  const [rows, cols] = matrix.shape as [number, number];
  const wide = rows <= cols;
  let x = tf.div(matrix, tf.maximum(tf.sqrt(tf.sum(tf.square(matrix))), 1e-7));
  for (let i = 0; i < iterations; i++) {
    // The Gram matrix over the longer axis, [min(r, c), min(r, c)].
    const gram = wide ? tf.matMul(x, x, false, true) : tf.matMul(x, x, true, false);
    const polynomial = tf.add(tf.mul(gram, b), tf.mul(tf.matMul(gram, gram), c));
    x = tf.add(tf.mul(x, a), wide ? tf.matMul(polynomial, x) : tf.matMul(x, polynomial));
  }
  return x;
}

function toPieces(layout: FlatLayout, isHidden: (entry: FlatEntry) => boolean): readonly Piece[] {
  const pieces: Piece[] = [];
  for (const entry of layout.entries) {
    const last = pieces.at(-1);
    if (isHidden(entry)) {
      if (entry.shape.length < 2) {
        throw new RangeError(
          `muon: "${entry.name}" has shape [${entry.shape.join(', ')}]; a hidden parameter must have rank 2 or higher`,
        );
      }
      const cols = entry.shape.at(-1)!;
      pieces.push({ size: entry.size, matrix: [entry.size / cols, cols] });
    } else if (last && !last.matrix) last.size += entry.size;
    else pieces.push({ size: entry.size });
  }
  if (!pieces.some((piece) => piece.matrix)) {
    throw new RangeError(
      'muon: the layout has no hidden parameter (group "matrix" by default); set isHidden or use adamW',
    );
  }
  return pieces;
}
