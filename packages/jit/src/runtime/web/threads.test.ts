import { afterEach, describe, expect, it, vi } from 'vitest';
import { EngineError } from '../../errors.js';
import type { OnnxRuntimeModule } from '../javascript.js';
import { setThreads } from './threads.js';

const moduleOf = (wasm: { numThreads?: number }) => ({ env: { wasm } }) as unknown as OnnxRuntimeModule;
const page = (isolated: boolean, processors: number) => {
  vi.stubGlobal('crossOriginIsolated', isolated);
  vi.stubGlobal('navigator', { hardwareConcurrency: processors });
};
afterEach(() => vi.unstubAllGlobals());

describe('threads of onnxruntime-web', () => {
  it.each([
    [false, 8, 1],
    [true, 1, 1],
    [true, 2, 2],
    [true, 8, 4],
    [true, 64, 8],
  ])('isolated %j, %i processors: %i by default', (isolated, processors, expected) => {
    page(isolated, processors);
    const wasm: { numThreads?: number } = {};
    expect(setThreads(moduleOf(wasm))).toBe(expected);
    expect(wasm.numThreads).toBe(expected);
  });

  it('refuses several threads in a page that is not isolated', () => {
    page(false, 8);
    expect(() => setThreads(moduleOf({}), 2)).toThrowWith({
      type: EngineError,
      code: 'THREADS_UNAVAILABLE',
      contains: ['2', 'Cross-Origin-Opener-Policy'],
    });
  });

  it('refuses another number than the module has started', () => {
    page(true, 8);
    const ort = moduleOf({});
    expect(setThreads(ort, 3)).toBe(3);
    expect(setThreads(ort)).toBe(3);
    expect(() => setThreads(ort, 2)).toThrowWith({
      type: EngineError,
      code: 'THREADS_UNAVAILABLE',
      contains: ['2', '3'],
    });
  });
});
