import { UserError } from '../errors.js';
import type { StepResult } from './compiled-step.js';

/**
 * Policy for a loss or gradient that is not finite: the update is skipped and counted, and too many end the run.
 *
 * @throws {UserError} after too many updates in a row that are skipped
 */
export class NonFiniteGuard {
  private inRow: number;
  /** Updates skipped since the beginning of the run. */
  total: number;

  /** `limit`: skips in a row that end the run. `state` is that of an earlier counter. */
  constructor(
    private readonly limit: number,
    [total = 0, inRow = 0]: readonly number[] = [],
  ) {
    this.total = total;
    this.inRow = inRow;
  }

  /** Whether the last update was skipped: the weights may be what is wrong. */
  get isSkipping(): boolean {
    return this.inRow > 0;
  }

  /**
   * Counts a step done; says what was skipped. Throws a UserError that names the last good checkpoint after `limit` skips
   * in a row.
   */
  add(step: number, result: StepResult, lastGood: string | undefined): string | undefined {
    if (result.isFinite) {
      this.inRow = 0;
      return undefined;
    }
    this.total++;
    this.inRow++;
    const { loss, gradNorm } = result;
    const what = Number.isFinite(loss) ? `The norm of the gradient is ${gradNorm}` : `The loss is ${loss}`;
    if (this.inRow < this.limit) {
      return `${what} at step ${step}: its update is skipped (${this.inRow} in a row; ${this.limit} end the run).`;
    }
    const good =
      lastGood === undefined
        ? 'No good checkpoint was written in this session.'
        : `The last good checkpoint is ${lastGood}.`;
    throw new UserError(
      `${what} at step ${step}, and so were the ${this.inRow} updates up to it skipped. ${good} ` +
        'Lower the learning rate (--lr), clip the gradient (--set optimizer.maxGradNorm=1), or warm up (--set optimizer.warmup=500).',
      { code: 'LOSS_NOT_FINITE' },
    );
  }

  /** For a checkpoint. */
  state(): number[] {
    return [this.total, this.inRow];
  }
}
