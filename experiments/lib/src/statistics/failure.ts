/** When a training counts as failed although its losses are finite. */

/** Above the Wiener filter's loss, and above an earlier loss of the same run, by these factors. */
const factors = { wiener: 1.2, earlier: 1.05 };

/**
 * The index of the first loss at which a run has failed: not finite, above 1.2 times the loss of the Wiener filter, or
 * more than 5% above an earlier one; -1 if there is none. `losses` are in the order of training; null is NaN, as in
 * JSON. `wiener` is Infinity by default.
 */
export function firstFailure(losses: readonly (number | null)[], wiener = Infinity): number {
  let most = factors.wiener * wiener;
  return losses.findIndex((loss) => {
    if (loss === null || !Number.isFinite(loss) || !(loss <= most)) return true;
    most = Math.min(most, factors.earlier * loss);
    return false;
  });
}
