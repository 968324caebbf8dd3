import { isObject } from './json.js';

/** `field: before -> now` for each leaf that differs. */
export function differences(before: unknown, now: unknown, path = ''): string[] {
  if (isObject(before) && isObject(now)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])];
    return keys.flatMap((key) => differences(before[key], now[key], path === '' ? key : `${path}.${key}`));
  }
  const [a, b] = [JSON.stringify(before) ?? 'nothing', JSON.stringify(now) ?? 'nothing'];
  return a === b ? [] : [`${path}: ${a} -> ${b}`];
}
