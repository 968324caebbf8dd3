import { expect, it, vi } from 'vitest';

it('throws an error in a worker without koffi if the main thread does not respond', async () => {
  vi.doMock('./c-api/koffi.js', () => ({ loadKoffi: () => Promise.reject(new Error('koffi is not installed')) }));
  vi.doMock('node:worker_threads', () => ({ isMainThread: false }));
  const disconnect = vi.fn<() => void>();
  class Session {
    connectToMainThread() {}
    post() {
      return new Promise(() => {});
    }
    disconnect = disconnect;
  }
  vi.doMock('node:inspector/promises', () => ({ Session }));
  const { disableTelemetry } = await import('./telemetry.js');
  await expect(disableTelemetry()).rejects.toMatchObject({
    code: 'RUNTIME_FAILED',
    cause: { message: expect.stringContaining('main thread') },
  });
  expect(disconnect).toHaveBeenCalledOnce();
});
