/** Throws a RangeError unless `value` is a finite number that passes `test`; `rule` says what would be right. */
export function requireNumber(what: string, value: number, rule: string, test: (value: number) => boolean): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || !test(value)) {
    throw new RangeError(`${what} must be ${rule}, not ${String(value)}`);
  }
}

/** Throws a RangeError unless `value` is an integer of at least `min`, and at most `max` where it is given. */
export function requireInteger(what: string, value: number, min: number, max = Infinity): void {
  const rule = max === Infinity ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`;
  requireNumber(what, value, rule, (v) => Number.isInteger(v) && v >= min && v <= max);
}

/** Throws a RangeError that lists `choices` unless `value` is one of them. */
export function requireChoice(what: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value)) {
    throw new RangeError(`${what} must be one of ${choices.join(', ')}, not ${JSON.stringify(value)}`);
  }
}

/** Throws, naming the fields that exist, where `options` has one that does not. */
export function requireFields(what: string, options: object, fields: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (!fields.includes(key)) {
      throw new RangeError(
        `${what}: no option "${key}"; ${fields.length ? `there are ${fields.join(', ')}` : 'it has none'}`,
      );
    }
  }
}
