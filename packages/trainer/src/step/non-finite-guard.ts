import { UserError } from '../errors.js';
import type { StepResult } from './compiled-step.js';

/**
 * Policy for a non-finite loss or gradient: the update is skipped and counted; too many in a row end the run. A gradient
 * that overflows only because the loss is scaled is not counted: the scale is lowered instead.
 *
 * @throws {UserError} after too many consecutive skipped updates
 */
export class NonFiniteGuard {
  private inRow: number;
  /** Updates skipped since the start of the run. */
  total: number;

  /** `limit` is the number of consecutive skips that ends the run; `state` continues an earlier guard. */
  constructor(
    private readonly limit: number,
    [total = 0, inRow = 0]: readonly number[] = [],
  ) {
    this.total = total;
    this.inRow = inRow;
  }

  /** Whether the last update was skipped, possibly because of bad weights. */
  get isSkipping(): boolean {
    return this.inRow > 0;
  }

  /**
   * Counts a step. Returns a message if its update was skipped.
   *
   * @throws {UserError} after `limit` consecutive skips; the message names the last good checkpoint
   */
  add(step: number, result: StepResult, lastGood: string | undefined): string | undefined {
    if (result.isFinite) {
      this.inRow = 0;
      return undefined;
    }
    const { loss, gradNorm, gradScale } = result;
    if (Number.isFinite(loss) && gradScale !== undefined && gradScale.next < gradScale.used) {
      const { used, next } = gradScale;
      return `The gradient overflowed at step ${step} with a loss scale of ${used}: its update was skipped; the scale is now ${next}.`;
    }
    this.total++;
    this.inRow++;
    const what = Number.isFinite(loss) ? `The norm of the gradient is ${gradNorm}` : `The loss is ${loss}`;
    if (this.inRow < this.limit) {
      return `${what} at step ${step}: its update was skipped (${this.inRow} in a row; the run ends after ${this.limit}).`;
    }
    const good =
      lastGood === undefined
        ? 'No good checkpoint was saved in this session.'
        : `The last good checkpoint is ${lastGood}.`;
    throw new UserError(
      `${what} at step ${step}; the last ${this.inRow} updates were skipped. ${good} ` +
        'Lower the learning rate (optimizer.lr), clip the gradient (optimizer.maxGradNorm=1), or warm up (optimizer.warmup=500).',
      { code: 'LOSS_NOT_FINITE' },
    );
  }

  /** The state of the guard, for a checkpoint. */
  state(): number[] {
    return [this.total, this.inRow];
  }
}
