import { describe, expect, it } from 'vitest';
import { openExtractor } from './extractor.js';
import { UserError } from '../../errors.js';

describe('openExtractor', () => {
  it('opens the default with an engine of its own', async () => {
    const extractor = await openExtractor('mobilenet');
    const data = Uint8Array.from({ length: 3 * 8 * 8 }, (_, i) => (i * 37) % 256);
    const { features } = await extractor.features({ data, shape: [3, 8, 8, 1] });
    expect(features).toHaveLength(3 * extractor.dimensions);
    expect(features.every((value) => Number.isFinite(value))).toBe(true);
    expect(extractor).toMatchObject({ name: 'mobilenet', comparable: false });
    expect(extractor.weightsSha256).toMatch(/^[\da-f]{64}$/);
    await extractor.dispose();
  });

  it('opens another engine by its name, for machines on which the default does not run', async () => {
    const data = Uint8Array.from({ length: 2 * 8 * 8 }, (_, i) => (i * 37) % 256);
    const featuresOn = async (options: object) => {
      const extractor = await openExtractor('random', options);
      const { features } = await extractor.features({ data, shape: [2, 8, 8, 1] });
      await extractor.dispose();
      return features;
    };
    const [onnx, tfjs] = [await featuresOn({}), await featuresOn({ engineName: 'tfjs-wasm' })];
    expect(tfjs).toBeAllClose(onnx, { rtol: 1e-4, relativeTo: 'norm' });
    await expect(openExtractor('random', { engineName: 'none' })).rejects.toThrowWith({ type: UserError });
  });

  it('refuses unknown names, and options that an extractor has no use for', async () => {
    const option = { type: UserError, code: 'OPTION_INVALID' } as const;
    await expect(openExtractor('mobilnet')).rejects.toThrowWith({
      type: UserError,
      code: 'OPTION_UNKNOWN',
      contains: ['"mobilnet"', 'mean "mobilenet"'],
    });
    await expect(openExtractor('inception')).rejects.toThrow(/pt_inception-2015-12-05-6726825d\.pth .*--weights/);
    await expect(openExtractor('inception', { weights: 'none.safetensors' })).rejects.toThrow('none.safetensors');
    await expect(openExtractor('mobilenet', { resize: 'bilnear' })).rejects.toThrowWith({
      type: UserError,
      code: 'OPTION_UNKNOWN',
      contains: ['bilnear', 'mean "bilinear"'],
    });
    await expect(openExtractor('mobilenet', { weights: 'x' })).rejects.toThrowWith({
      ...option,
      contains: ['mobilenet', '--weights'],
    });
    await expect(openExtractor('random', { weights: 'x' })).rejects.toThrowWith({
      ...option,
      contains: ['random', '--weights'],
    });
    await expect(openExtractor('pixels', { resize: 'bilinear' })).rejects.toThrowWith({
      ...option,
      contains: ['pixels', '--resize'],
    });
  });
});
