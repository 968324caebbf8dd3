/**
 * Argument checks shared by all `@dm` packages. Messages have the form "<name> must be <rule>, got <value>". Names
 * start with the function that was called: `adamW: beta1 must be in [0, 1), got 1`.
 */
import type { Tensor } from '@tensorflow/tfjs-core';

/** @throws {RangeError} unless `value` is a finite number that passes `test`, which `rule` describes */
export function checkNumber(
  name: string,
  value: number,
  rule = 'a finite number',
  test: (value: number) => boolean = () => true,
): void {
  if (!Number.isFinite(value) || !test(value)) throw new RangeError(`${name} must be ${rule}, got ${String(value)}`);
}

/** @throws {RangeError} unless `value` is a finite number > 0 */
export function checkPositive(name: string, value: number): void {
  checkNumber(name, value, 'a number > 0', (v) => v > 0);
}

/** @throws {RangeError} unless `value` is a finite number >= 0 */
export function checkNonNegative(name: string, value: number): void {
  checkNumber(name, value, 'a number >= 0', (v) => v >= 0);
}

/** An interval in mathematical notation: a parenthesis excludes the endpoint, a bracket includes it. */
export type Interval = `${'[' | '('}${number}, ${number}${']' | ')'}`;

/** @throws {RangeError} unless `value` is a finite number in `interval`, such as `[0, 1)` */
export function checkInRange(name: string, value: number, interval: Interval): void {
  const [low, high] = interval.slice(1, -1).split(', ').map(Number) as [number, number];
  checkNumber(
    name,
    value,
    `in ${interval}`,
    (v) => (interval.startsWith('[') ? v >= low : v > low) && (interval.endsWith(']') ? v <= high : v < high),
  );
}

/** @throws {RangeError} unless `value` is an integer from `min` to `max` */
export function checkInteger(name: string, value: number, min: number, max = Infinity): void {
  const rule = max === Infinity ? `an integer >= ${min}` : `an integer from ${min} to ${max}`;
  checkNumber(name, value, rule, (v) => Number.isSafeInteger(v) && v >= min && v <= max);
}

/** @throws {RangeError} unless `value` is one of `choices` */
export function checkChoice(name: string, value: unknown, choices: readonly unknown[]): void {
  if (!choices.includes(value)) {
    throw new RangeError(`${name} must be one of ${choices.join(', ')}, got ${JSON.stringify(value)}`);
  }
}

/** @throws {RangeError} if `options` has a field that is not in `known`; the message starts with `owner` */
export function checkOptions(owner: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new RangeError(`${owner}: unknown option "${unknown}"; the options are ${known.join(', ') || 'none'}`);
  }
}

/**
 * Checks that `tensor` is float32 and has the shape `expected`, in which a name matches any size: `['N', 4]`.
 * @throws {TypeError} unless `tensor` is float32
 * @throws {RangeError} unless it has that shape
 */
export function checkShape(name: string, tensor: Tensor, expected: readonly (number | string)[]): void {
  checkFloat(name, tensor);
  const fits =
    tensor.rank === expected.length && expected.every((d, i) => typeof d === 'string' || d === tensor.shape[i]);
  if (!fits) throw new RangeError(`${name} must be [${expected.join(', ')}], got [${tensor.shape.join(', ')}]`);
}

/** @throws {TypeError} unless `tensor` is float32 */
export function checkFloat(name: string, tensor: Tensor): void {
  if (tensor.dtype !== 'float32') throw new TypeError(`${name} must be float32, got ${tensor.dtype}`);
}
