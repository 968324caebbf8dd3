import { checkInRange, checkInteger, checkNonNegative, checkNumber, checkOptions } from '@dm/ops';

export interface GradScalerOptions {
  /** The first scale. Default 65536. */
  readonly initialScale?: number;
  /** Factor by which the scale grows, more than 1. Default 2. */
  readonly growthFactor?: number;
  /** Factor by which it shrinks, in (0, 1). Default 0.5. */
  readonly backoffFactor?: number;
  /** Steps without an overflow after which the scale grows. Default 2000. */
  readonly growthInterval?: number;
  /** The scale does not shrink below this. Default 0, no limit, as in PyTorch. */
  readonly minScale?: number;
}

const optionNames = ['initialScale', 'growthFactor', 'backoffFactor', 'growthInterval', 'minScale'];

/**
 * Dynamic loss scaling, with the rules and defaults of torch.amp.GradScaler. float16 has no numbers below 2^-24, so the
 * loss is multiplied by `scale` before the gradients are computed, and the gradients are divided by it. If they are not
 * finite, the step is skipped and the scale shrinks; after `growthInterval` finite steps in a row it grows. The scale is a
 * float32, and does not grow to infinity.
 * @throws {RangeError} if an option is unknown or out of range
 */
export class GradScaler {
  private readonly growthFactor: number;
  private readonly backoffFactor: number;
  private readonly growthInterval: number;
  private readonly minScale: number;
  private current: number;
  private finiteSteps: number;

  /** `state` continues an earlier scaler, instead of `initialScale`. */
  constructor(options: GradScalerOptions = {}, state: readonly number[] = []) {
    checkOptions('GradScaler', options, optionNames);
    const {
      initialScale = 65536,
      growthFactor = 2,
      backoffFactor = 0.5,
      growthInterval = 2000,
      minScale = 0,
    } = options;
    const isScale = (value: number) => value > 0 && Math.fround(value) > 0 && Number.isFinite(Math.fround(value));
    checkNumber('GradScaler: initialScale', initialScale, 'a float32 above 0', isScale);
    checkNumber('GradScaler: growthFactor', growthFactor, 'a number > 1', (value) => value > 1);
    checkInRange('GradScaler: backoffFactor', backoffFactor, '(0, 1)');
    checkInteger('GradScaler: growthInterval', growthInterval, 1);
    checkNonNegative('GradScaler: minScale', minScale);
    this.growthFactor = growthFactor;
    this.backoffFactor = backoffFactor;
    this.growthInterval = growthInterval;
    this.minScale = minScale;
    [this.current = Math.fround(initialScale), this.finiteSteps = 0] = state;
  }

  /** The factor of the loss in the next step. */
  get scale(): number {
    return this.current;
  }

  /** Adjusts the scale after a step whose gradients were finite or not. */
  update(isFinite: boolean): void {
    if (!isFinite) {
      this.current = Math.max(Math.min(this.minScale, this.current), Math.fround(this.current * this.backoffFactor));
      this.finiteSteps = 0;
      return;
    }
    this.finiteSteps++;
    if (this.finiteSteps < this.growthInterval) return;
    const grown = Math.fround(this.current * this.growthFactor);
    if (Number.isFinite(grown)) this.current = grown;
    this.finiteSteps = 0;
  }

  /** The scale and the number of finite steps since it changed, for a checkpoint. */
  state(): number[] {
    return [this.current, this.finiteSteps];
  }
}
