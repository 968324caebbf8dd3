import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Setup files that add `toBeAllClose` and `toThrowWith` to `expect`. */
const matchers = ['all-close.ts', 'throws.ts'].map((file) => fileURLToPath(new URL(file, import.meta.url)));

/** SwiftShader, of Debian's package chromium; the Vulkan loader is in its package libvulkan1. */
const softwareGpu = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** The vitest configuration of every package. Imports the workspace's packages from source, without a build. */
export function suite() {
  // For tests that use onnxruntime-node directly; the engine disables telemetry for its own sessions.
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  // The device "webgpu" is a software GPU in all tests if there is one, so that they do the same on every machine.
  if (existsSync(softwareGpu)) {
    process.env['VK_ICD_FILENAMES'] = softwareGpu;
    process.env['VK_DRIVER_FILES'] = softwareGpu;
  }
  return defineConfig({
    resolve: {
      alias: {
        // Registers the same gradients as the file that the build bundles, and loads five times faster unbundled.
        '@tensorflow/tfjs-core/dist/register_all_gradients.js': '@tensorflow/tfjs-layers',
      },
    },
    ssr: { resolve: { conditions: ['@dm/source', 'node', 'import', 'default'] } },
    test: {
      include: ['src/**/*.test.ts'],
      setupFiles: matchers,
      // All files of a package run in one process, so that its modules are loaded once.
      isolate: false,
      // High enough to only end tests that hang, also on a busy machine.
      testTimeout: 300_000,
      hookTimeout: 300_000,
      // TF.js logs an advertisement for tfjs-node in each test file.
      onConsoleLog: (log) => (log.includes('you are running TensorFlow.js in Node.js') ? false : undefined),
    },
  });
}
