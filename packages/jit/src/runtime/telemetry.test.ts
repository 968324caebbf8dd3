import { expect, it, vi } from 'vitest';

it('refuses in a worker from which nothing switches it off: no koffi, and a main thread that does not answer', async () => {
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
    cause: { message: 'the main thread does not respond' },
  });
  expect(disconnect).toHaveBeenCalledOnce();
});
