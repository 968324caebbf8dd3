import { expect, it } from 'vitest';
import { lineSpec, plotSvg } from './svg.js';

/** Strokes of the lines in an SVG: each begins with one M. */
async function strokes(y: readonly (number | null)[]): Promise<number> {
  const svg = await plotSvg(
    lineSpec({
      title: 'plot',
      x: { title: 'x' },
      y: { title: 'y', scale: 'log' },
      series: [{ name: 'a', x: [1, 2, 3, 4, 5], y }],
    }),
  );
  return [...svg.matchAll(/aria-roledescription="line mark"[^>]*\sd="(M[^"]*)"/g)].length;
}

it('draws one line through all values, and leaves a gap at one that cannot be drawn', async () => {
  expect(await strokes([1, 2, 3, 4, 5])).toBe(1);
  expect(await strokes([1, 2, null, 4, 5])).toBe(2);
  expect(await strokes([1, 2, 0, 4, 5])).toBe(2);
});
