/** Throws a RangeError unless `value` is a finite number that passes `test`; `rule` says what would be right. */
export function requireNumber(
  owner: string,
  field: string,
  value: number,
  rule: string,
  test: (value: number) => boolean,
): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || !test(value)) {
    throw new RangeError(`${owner}: ${field} must be ${rule}, got ${String(value)}`);
  }
}

/** Throws a RangeError unless `value` is in [0, 1), as every averaging coefficient must be. */
export function requireBeta(owner: string, field: string, value: number): void {
  requireNumber(owner, field, value, 'in [0, 1)', (v) => v >= 0 && v < 1);
}

/** Throws a RangeError unless `value` is an integer of at least `min`. */
export function requireInteger(owner: string, field: string, value: number, min: number): void {
  requireNumber(owner, field, value, `an integer >= ${min}`, (v) => Number.isInteger(v) && v >= min);
}
