/**
 * Serializes plain data to a string that is equal only for equal data. Unlike JSON, it distinguishes NaN, the
 * infinities, and -0, all of which occur in constants and attributes. Typed arrays are compared by their elements.
 */
export function contentKey(data: unknown): string {
  return JSON.stringify(data, (_key, value: unknown) =>
    typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
      ? { number: numberName(value) }
      : value,
  );
}

const numberName = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));
