/** Defaults with the given options over them. Throws on a field that does not exist, naming those that do. */
export function resolveOptions<O extends object>(owner: string, defaults: O, options: Partial<O> | undefined): O {
  if (options === undefined) return defaults;
  for (const key of Object.keys(options)) {
    if (!Object.hasOwn(defaults, key)) {
      throw new Error(
        `${owner}: unknown option "${key}"; the options are ${Object.keys(defaults).join(', ') || 'none'}`,
      );
    }
  }
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<O>;
  return { ...defaults, ...given };
}

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

/** Throws a RangeError unless `value` is an integer of at least `min`. */
export function requireInteger(owner: string, field: string, value: number, min: number): void {
  requireNumber(owner, field, value, `an integer >= ${min}`, (v) => Number.isInteger(v) && v >= min);
}

/** Throws a RangeError unless `value` is one of `choices`. */
export function requireChoice(owner: string, field: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value)) {
    throw new RangeError(`${owner}: ${field} must be one of ${choices.join(', ')}, got ${JSON.stringify(value)}`);
  }
}
