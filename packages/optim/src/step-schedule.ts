/** A number that depends on the optimizer step alone (from 0), so that a resumed run sees the same values. */
export type StepSchedule = (step: number) => number;

/** A constant as a schedule. */
export function asSchedule(value: number | StepSchedule): StepSchedule {
  return typeof value === 'number' ? () => value : value;
}

/** Product of two schedules: a warm-up times a decay, a learning rate times a compensation. */
export function product(a: number | StepSchedule, b: number | StepSchedule): StepSchedule {
  const first = asSchedule(a);
  const second = asSchedule(b);
  return (step) => first(step) * second(step);
}

/** tau = step / totalSteps, held at 1 once the run is over. */
export function progress(step: number, totalSteps: number): number {
  return Math.min(1, step / totalSteps);
}

/**
 * combine(... combine(combine(initial, 0), 1) ..., step): a running sum or product as a function of the step number
 * alone. Values are cached when first needed, 8 bytes per step, always folded in the same order, so that a resumed
 * run has the values of an unbroken one to the last bit.
 */
export function prefixFold(initial: number, combine: (soFar: number, step: number) => number): StepSchedule {
  const values: number[] = [];
  return (step) => {
    for (let k = values.length; k <= step; k++) values.push(combine(values[k - 1] ?? initial, k));
    return values[step]!;
  };
}
