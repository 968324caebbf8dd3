import { checkNonNegative } from '@dm/ops';

/** A number as a function of the optimizer step (from 0) alone, so that a resumed run sees the same values. */
export type StepSchedule = (step: number) => number;

/**
 * Turns a learning rate into a schedule; returns a schedule as it is. `owner` is the optimizer's name.
 * @throws {RangeError} if it is neither a schedule nor a number >= 0
 */
export function lrSchedule(owner: string, lr: number | StepSchedule): StepSchedule {
  if (typeof lr !== 'function') checkNonNegative(`${owner}: lr`, lr);
  return asSchedule(lr);
}

/** Turns a constant into a schedule; returns a schedule as it is. */
export function asSchedule(value: number | StepSchedule): StepSchedule {
  return typeof value === 'number' ? () => value : value;
}

/** Product of two schedules or numbers, for example of a warmup and a decay. */
export function product(a: number | StepSchedule, b: number | StepSchedule): StepSchedule {
  const first = asSchedule(a);
  const second = asSchedule(b);
  return (step) => first(step) * second(step);
}

/** tau = min(1, step / totalSteps). */
export function progress(step: number, totalSteps: number): number {
  return Math.min(1, step / totalSteps);
}

/**
 * combine(... combine(combine(initial, 0), 1) ..., step): a running sum or product as a function of the step alone.
 * Values are cached, 8 bytes per step, and always computed in the same order, so that a resumed run gets bit-identical
 * values.
 */
export function prefixFold(initial: number, combine: (soFar: number, step: number) => number): StepSchedule {
  const values: number[] = [];
  return (step) => {
    for (let k = values.length; k <= step; k++) values.push(combine(values[k - 1] ?? initial, k));
    return values[step]!;
  };
}
