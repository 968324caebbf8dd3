import { expect, it } from 'vitest';
import { userFrame } from './call-site.js';

const stack = (...places: string[]) => ['Error', ...places.map((place) => `    at ${place}`)].join('\n');

it("finds the user's line in this project's tree, built or not", () => {
  const inTree = (kind: 'src' | 'dist', user: string) =>
    userFrame(
      stack(
        `userLine (file:///home/a/dm/packages/jit/${kind}/errors.js:10:3)`,
        `record (file:///home/a/dm/packages/jit/${kind}/recorder.js:99:1)`,
        'ENGINE.runKernel (/home/a/dm/node_modules/.pnpm/x/node_modules/@tensorflow/tfjs-core/dist/tf-core.node.js:4:5)',
        `conv2d (file:///home/a/dm/packages/ops/${kind}/conv2d.js:1:2)`,
        `Object.apply (file:///home/a/dm/packages/models/${kind}/unet.js:1:2)`,
        user,
        'process.processTicksAndRejections (node:internal/process/task_queues:105:5)',
      ),
    );
  expect(inTree('src', '/home/a/dm/packages/models/src/unet.test.ts:7:8')).toBe(
    '/home/a/dm/packages/models/src/unet.test.ts:7:8',
  );
  expect(inTree('dist', 'train (file:///home/a/dm/experiments/speed/run.ts:3:4)')).toBe(
    '/home/a/dm/experiments/speed/run.ts:3:4',
  );
});

it("finds the user's line if the packages are installed, for any folder names", () => {
  const user = 'loss (/home/b c/packages/models/src/loss.ts:12:34)';
  for (const root of ['/home/b c/node_modules', '/home/b c/node_modules/.pnpm/@dm+jit@1.0.0/node_modules']) {
    const frames = [`userLine (${root}/@dm/jit/dist/index.cjs:1:1)`, `apply (${root}/@dm/models/dist/index.cjs:2:2)`];
    expect(userFrame(stack(...frames, user, `async train (${root}/@dm/trainer/dist/index.js:3:3)`))).toBe(
      '/home/b c/packages/models/src/loss.ts:12:34',
    );
  }
  expect(
    userFrame(stack('userLine (file:///C:/p/node_modules/@dm/jit/dist/index.js:1:1)', 'file:///C:/p/train.mjs:5:6')),
  ).toBe('C:/p/train.mjs:5:6');
});

it('names the caller of the ops if all code is in installed packages', () => {
  const root = '/home/b/node_modules';
  expect(
    userFrame(
      stack(
        `userLine (${root}/@dm/jit/dist/index.js:1:1)`,
        `runKernel (${root}/@tensorflow/tfjs-core/dist/tf-core.node.js:1:1)`,
        `silu (${root}/@dm/ops/dist/index.js:1:1)`,
        `apply (${root}/@dm/models/dist/index.js:2:2)`,
      ),
    ),
  ).toBe(`${root}/@dm/models/dist/index.js:2:2`);
});
