import type { FeatureExtractor } from '../extractors/feature-extractor.js';

/** Closed-form features: mean and mean square of channel 0, and the first pixel. */
export function fakeExtractor(changes: Partial<FeatureExtractor> = {}): FeatureExtractor {
  return {
    name: 'fake',
    weightsSha256: 'f'.repeat(64),
    resize: 'none',
    dimensions: 3,
    comparable: false,
    hasLogits: false,
    features({ data, shape: [count] }) {
      const size = data.length / count;
      const features = new Float32Array(count * 3);
      for (let n = 0; n < count; n++) {
        const image = data.subarray(n * size, (n + 1) * size);
        features[3 * n] = image.reduce((sum, value) => sum + value / size, 0);
        features[3 * n + 1] = image.reduce((sum, value) => sum + value ** 2 / size / 100, 0);
        features[3 * n + 2] = image[0]!;
      }
      return Promise.resolve({ features });
    },
    dispose: () => Promise.resolve(),
    ...changes,
  };
}
