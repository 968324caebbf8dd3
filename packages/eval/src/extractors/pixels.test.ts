import { describe, expect, it } from 'vitest';
import { createPixelExtractor } from './pixels.js';

describe('pixelExtractor', () => {
  it('keeps images of its own size, and takes the mean of the channels', async () => {
    const extractor = createPixelExtractor({ side: 2 });
    const data = Uint8Array.from({ length: 24 }, (_, i) => i * 10);
    const { features } = await extractor.features({ data, shape: [2, 2, 2, 3] });
    expect([extractor.dimensions, features.length]).toEqual([4, 8]);
    features.forEach((value, i) => expect(value).toBeCloseTo(data[3 * i + 1]! / 255, 6));
  });

  it('averages areas, also if cells cut through pixels, and repeats pixels of small images', async () => {
    const extractor = createPixelExtractor({ side: 2 });
    const of = async (height: number, width: number, ...bytes: number[]) =>
      [...(await extractor.features({ data: Uint8Array.from(bytes), shape: [1, height, width, 1] })).features].map(
        (value) => Math.round(value * 255 * 1e4) / 1e4,
      );
    expect(await of(4, 2, 0, 10, 20, 30, 255, 255, 255, 255)).toEqual([10, 20, 255, 255]);
    // 3 pixels to 2 cells: (a + b / 2) / 1.5 and (b / 2 + c) / 1.5, in both rows.
    expect(await of(1, 3, 30, 60, 90)).toEqual([40, 80, 40, 80]);
    expect(() => createPixelExtractor({ side: 0 })).toThrowWith({
      type: RangeError,
      contains: ['side', '>= 1', 'got 0'],
    });
  });
});
