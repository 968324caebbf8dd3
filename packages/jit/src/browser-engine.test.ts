import * as onnxruntimeNode from 'onnxruntime-node';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openOnnxEngine } from './browser-engine.js';
import { EngineError } from './errors.js';

afterEach(() => vi.unstubAllGlobals());

// Trains and samples in real Chromium: tools/browser.
describe('the engine of a browser', () => {
  it('needs ONNX Runtime from the page', async () => {
    await expect(openOnnxEngine()).rejects.toThrowWith({
      type: EngineError,
      code: 'RUNTIME_MISSING',
      contains: ['onnxruntime-web/wasm', 'openOnnxEngine({ ort })'],
    });
  });

  it.each(['webgpu', 'cuda'] as const)('refuses the device %s if the page does not have it', async (device) => {
    await expect(openOnnxEngine({ ort: onnxruntimeNode, device })).rejects.toThrowWith({
      type: EngineError,
      code: 'DEVICE_UNUSABLE',
      contains: [device],
    });
  });
});
