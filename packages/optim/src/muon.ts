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
import { type Optimizer, zeroSlots } from './optimizer.js';
import { asSchedule, type StepSchedule } from './step-schedule.js';

export interface MuonOptions {
  /** Position of each matrix in the flat vector. */
  readonly layout: FlatLayout;
  /** Learning rate of the matrices: a number or a schedule. */
  readonly lr: number | StepSchedule;
  /** Momentum of the matrices, averaged form, in [0, 1), a number or a schedule; 0.95 by default. */
  readonly momentum?: number | StepSchedule;
  /** Decoupled weight decay of the matrices, times the learning rate; 0.1 by default. */
  readonly weightDecay?: number;
  /** Newton-Schulz iterations; 5 by default. */
  readonly iterations?: number;
  /**
   * Scale of the orthogonalized step: `original`, sqrt(max(1, out / in)), or `matchRmsAdamW`, 0.2 sqrt(max(in, out)),
   * whose steps are as large as AdamW's, so that its learning rates and weight decays fit (Liu et al. 2025,
   * arXiv:2502.16982). `original` by default; `adjust_lr_fn` in PyTorch.
   */
  readonly adjustLr?: (typeof muonLrAdjustments)[number];
  /**
   * Which parameters are orthogonalized; by default the group `matrix` without input, output and time layers (`outer`).
   * Must have two axes or more.
   */
  readonly isHidden?: (entry: FlatEntry) => boolean;
  /** AdamW of all other parameters, without weight decay. */
  readonly adam: {
    readonly lr: number | StepSchedule;
    readonly beta1?: number | StepSchedule;
    readonly beta2?: number;
    readonly eps?: number;
  };
}

export const muonLrAdjustments = ['original', 'matchRmsAdamW'] as const;

/** Neighboring parameters that are updated alike; a matrix stands alone. */
interface Piece {
  size: number;
  /** [rows, columns] of an orthogonalized parameter: all axes but the last, the last. */
  readonly matrix?: readonly [number, number];
}

/**
 * Muon, Jordan et al. 2024 (kellerjordan.github.io/posts/muon), in the form of `torch.optim.Muon` with Nesterov
 * momentum, for hidden matrices and convolution kernels (taken as [kh kw in, out]); Adam for the rest:
 *
 *   m <- mu m + (1 - mu) g,    O = NewtonSchulz(mu m + (1 - mu) g)
 *   p <- p (1 - lr wd) - lr scale O,    scale = sqrt(max(1, out / in)) or 0.2 sqrt(max(in, out))
 *
 * PyTorch iterates in bfloat16, this in float32.
 * @throws {RangeError} on an option out of range
 * @throws {Error} if a hidden parameter has fewer than two axes, or there is no hidden parameter
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
  const lr = asSchedule(options.lr);
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

  return {
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
  };
}

/** Quintic Newton-Schulz towards the nearest orthogonal matrix, [r, c] → [r, c], singular values to about 0.7 .. 1.2. */
export function orthogonalize(matrix: tf.Tensor, iterations: number): tf.Tensor {
  const [a, b, c] = [3.4445, -4.775, 2.0315];
  const [rows, cols] = matrix.shape as [number, number];
  const wide = rows <= cols;
  let x = tf.div(matrix, tf.maximum(tf.sqrt(tf.sum(tf.square(matrix))), 1e-7));
  for (let i = 0; i < iterations; i++) {
    // The Gram matrix of the shorter side.
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
          `muon: "${entry.name}" has shape [${entry.shape.join(', ')}]; only matrices can be orthogonalized`,
        );
      }
      const cols = entry.shape.at(-1)!;
      pieces.push({ size: entry.size, matrix: [entry.size / cols, cols] });
    } else if (last && !last.matrix) last.size += entry.size;
    else pieces.push({ size: entry.size });
  }
  if (!pieces.some((piece) => piece.matrix)) {
    throw new RangeError('muon: no parameter of the layout is hidden (group "matrix" by default); use adamW');
  }
  return pieces;
}
