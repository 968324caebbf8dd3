import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Add `toBeAllClose` and `toThrowWith` to `expect`. */
const matchers = ['all-close.ts', 'throws.ts'].map((file) => fileURLToPath(new URL(file, import.meta.url)));

/** The one test set-up of every package: sources of the workspace are imported without a build. */
export function suite() {
  // For the tests that use onnxruntime-node itself; the engine does so for its own sessions.
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  return defineConfig({
    resolve: {
      alias: {
        // Same registrations as the file that the build bundles, five times faster to load unbundled.
        '@tensorflow/tfjs-core/dist/register_all_gradients': '@tensorflow/tfjs-layers',
      },
    },
    ssr: { resolve: { conditions: ['@dm/source', 'node', 'import', 'default'] } },
    test: {
      include: ['src/**/*.test.ts'],
      setupFiles: matchers,
      // All files of a package run in one process, so that its modules are loaded once.
      isolate: false,
      // To end tests that hang; a busy machine is no reason to fail.
      testTimeout: 300_000,
      hookTimeout: 300_000,
      // TF.js's advertisement for tfjs-node, once a file, hides what matters.
      onConsoleLog: (log) => (log.includes('you are running TensorFlow.js in Node.js') ? false : undefined),
    },
  });
}
