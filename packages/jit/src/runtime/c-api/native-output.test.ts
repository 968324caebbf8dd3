import { writeSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import { EngineError } from '../../errors.js';
import { splitNativeOutput, withoutNativeNoise } from './native-output.js';

/** As Dawn, Mesa, and ONNX Runtime print it. */
const noise =
  'Warning: vkCreateInstance: Found no drivers!\n' +
  '    at CheckVkSuccessImpl (/build/Release/_deps/dawn-src/src/dawn/native/vulkan/VulkanError.cpp:106)\n\n' +
  'error: XDG_RUNTIME_DIR is invalid or not set in the environment.\n' +
  '\u001B[0;93m2026-01-01 00:00:00 [W:onnxruntime:, device_discovery.cc:164] no devices\u001B[m\n';

it('tells noise from other output', () => {
  const { noise: found, rest } = splitNativeOutput(`${noise}terminate called\n${noise}step 1`);
  expect(found).toHaveLength(2 * noise.split('\n').length - 2);
  expect(rest).toBe('terminate called\nstep 1');
});

it.skipIf(process.platform === 'win32')('makes the noise of work that fails part of the error', async () => {
  const fails = withoutNativeNoise(async () => {
    writeSync(2, noise);
    throw new Error('No supported adapters');
  });
  await expect(fails).rejects.toThrowWith({
    type: EngineError,
    code: 'RUNTIME_FAILED',
    contains: ['No supported adapters', 'Found no drivers!'],
  });
  await expect(withoutNativeNoise(async () => 3)).resolves.toBe(3);
});

it('works without a folder for temporary files', async () => {
  vi.stubEnv('TMPDIR', '/nowhere');
  try {
    await expect(withoutNativeNoise(async () => 3)).resolves.toBe(3);
  } finally {
    vi.unstubAllEnvs();
  }
});
