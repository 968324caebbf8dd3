import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { showLoading } from './loading.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function written(isTTY: boolean, ms: number): string {
  let text = '';
  const done = showLoading({ isTTY, write: (part: string) => (text += part) !== '' });
  vi.advanceTimersByTime(ms);
  done();
  vi.advanceTimersByTime(10_000);
  return text;
}

it('shows at once on a terminal, and is cleared', () => {
  const text = written(true, 0);
  expect(text).toMatch(/^dm: loading/);
  expect(text.endsWith('\r\u001B[K')).toBe(true);
});

it('prints a line elsewhere only if loading is slow', () => {
  expect(written(false, 100)).toBe('');
  expect(written(false, 1000)).toMatch(/^dm: loading.*\n$/);
});
