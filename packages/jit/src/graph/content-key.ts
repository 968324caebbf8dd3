/**
 * Plain data as a string that is equal for equal data only. Unlike JSON alone it tells NaN, the infinities and -0 apart,
 * which constants and attributes may well be. Typed arrays are compared by their elements.
 */
export function contentKey(data: unknown): string {
  return JSON.stringify(data, (_key, value: unknown) =>
    typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
      ? { number: numberName(value) }
      : value,
  );
}

const numberName = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));
