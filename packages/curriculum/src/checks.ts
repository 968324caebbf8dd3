/**
 * Checks of options. This package has no dependencies, so these repeat the checks of `@dm/ops`, with the same messages:
 * "<name> must be <rule>, got <value>".
 */

/**
 * The defaults, overridden by the options that are given and not undefined.
 * @throws {RangeError} if `options` has a field that `defaults` does not have
 */
export function resolveOptions<O extends object>(owner: string, defaults: O, options: Partial<O> | undefined): O {
  if (options === undefined) return defaults;
  const unknown = Object.keys(options).find((key) => !Object.hasOwn(defaults, key));
  if (unknown !== undefined) {
    throw new RangeError(
      `${owner}: unknown option "${unknown}"; the options are ${Object.keys(defaults).join(', ') || 'none'}`,
    );
  }
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<O>;
  return { ...defaults, ...given };
}

/** @throws {RangeError} if `value` is not a finite number that passes `test`; `rule` describes the valid numbers */
export function checkNumber(
  name: string,
  value: number,
  rule = 'a finite number',
  test: (value: number) => boolean = () => true,
): void {
  if (!Number.isFinite(value) || !test(value)) throw new RangeError(`${name} must be ${rule}, got ${String(value)}`);
}

/** @throws {RangeError} if `value` is not a finite number > 0 */
export function checkPositive(name: string, value: number): void {
  checkNumber(name, value, 'a number > 0', (v) => v > 0);
}

/** @throws {RangeError} if `value` is not a finite number >= 0 */
export function checkNonNegative(name: string, value: number): void {
  checkNumber(name, value, 'a number >= 0', (v) => v >= 0);
}

/** An interval in mathematical notation: a parenthesis excludes the endpoint, a bracket includes it. */
type Interval = `${'[' | '('}${number}, ${number}${']' | ')'}`;

/** @throws {RangeError} if `value` is not a finite number in `interval`, for example `[0, 1)` */
export function checkInRange(name: string, value: number, interval: Interval): void {
  const [low, high] = interval.slice(1, -1).split(', ').map(Number) as [number, number];
  checkNumber(
    name,
    value,
    `in ${interval}`,
    (v) => (interval.startsWith('[') ? v >= low : v > low) && (interval.endsWith(']') ? v <= high : v < high),
  );
}

/** @throws {RangeError} if `value` is not an integer >= `min` */
export function checkInteger(name: string, value: number, min: number): void {
  checkNumber(name, value, `an integer >= ${min}`, (v) => Number.isInteger(v) && v >= min);
}

/** @throws {RangeError} if `value` is not one of `choices` */
export function checkChoice(name: string, value: unknown, choices: readonly unknown[]): void {
  if (!choices.includes(value)) {
    throw new RangeError(`${name} must be one of ${choices.join(', ')}, got ${JSON.stringify(value)}`);
  }
}
