/** The best of several learning rates, and which rates to try beyond it. */
import { finalLoss, type CurveResult } from './curve-trial.js';

export interface BestRate {
  readonly lr: number;
  readonly loss: number;
  /** Whether it is the lowest or highest of several rates, so that the optimum may be outside. */
  readonly isEdge: boolean;
  /** Two more octaves beyond an edge; empty if it is not one. */
  readonly beyond: readonly number[];
}

/** The learning rate with the lowest final loss among runs that differ only in it; undefined without runs. */
export function bestRate(results: readonly CurveResult[]): BestRate | undefined {
  const runs = results
    .map((result) => ({ lr: result.recipe.optimizer.lr, loss: finalLoss(result) }))
    .toSorted((a, b) => a.lr - b.lr);
  if (runs.length === 0) return undefined;
  const best = runs.reduce((a, b) => (b.loss < a.loss ? b : a));
  const isEdge = runs.length > 1 && (best === runs[0] || best === runs.at(-1));
  const factor = best === runs[0] ? 1 / 2 : 2;
  return { ...best, isEdge, beyond: isEdge ? [best.lr * factor, best.lr * factor ** 2] : [] };
}
