import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { quickConfig, tinyFolder } from '../../testing/tiny.js';
import { train } from '../../train.js';
import { UserError } from '../../errors.js';
import { createProgram } from '../program.js';

it('dm eval statistics refuses a run before it opens an extractor or generates samples', async () => {
  const folder = await tinyFolder();
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { out } = await train(quickConfig(folder, 1));
  const args = ['eval', 'statistics', out, '--out', join(folder, 'a.npz'), '--extractor', 'none'];
  await expect(createProgram().parseAsync(args, { from: 'user' })).rejects.toThrowWith({
    type: UserError,
    code: 'OPTION_INVALID',
    contains: [out, 'samples.npz'],
  });
});
