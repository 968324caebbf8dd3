import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeNpz } from '@dm/data';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { trainingHash } from '../config/saved-config.js';
import { resolveConfig } from '../config/resolve.js';
import type { PartialConfig } from '../config/schema.js';
import { dryRun } from '../bench/dry-run.js';
import { UserError } from '../errors.js';
import { train } from '../train.js';
import { checkConversion } from './check-conversion.js';
import { openData } from './open-training-setup.js';

const folder = mkdtempSync(join(tmpdir(), 'dm-open-data-'));
const data = join(folder, 'images.npz');
beforeAll(() =>
  writeNpz(data, { images: { shape: [100, 2, 2], data: Uint8Array.from({ length: 400 }, (_, i) => (i * i) % 251) } }),
);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const configOf = (value: PartialConfig) => resolveConfig([{ source: 'test', value: { data, ...value } }]);

it('trains on the images that are not held out, and tests on the others', async () => {
  const whole = await openData(configOf({}));
  const [train, test] = await Promise.all([
    openData(configOf({ holdOut: 0.2 }), 'train'),
    openData(configOf({ holdOut: 0.2 }), 'test'),
  ]);
  expect(whole.length).toBe(100);
  expect(test.length).toBeGreaterThan(5);
  expect(train.length + test.length).toBe(100);
});

it('is part of the training configuration only if images are held out', () => {
  const { holdOut: _, ...former } = configOf({});
  expect(trainingHash(configOf({}))).toBe(trainingHash(former as ReturnType<typeof configOf>));
  expect(trainingHash(configOf({ holdOut: 0.2 }))).not.toBe(trainingHash(configOf({})));
});

it('a new run refuses a size and gray for images that are not converted', async () => {
  const dataset = await openData(configOf({}));
  const mismatch = (...contains: string[]) => ({ type: UserError, code: 'DATA_MISMATCH', contains }) as const;
  expect(() => checkConversion(configOf({ imageSize: 16 }), dataset)).toThrowWith(
    mismatch('imageSize (--image-size) is 16', '2x2x1', 'Omit'),
  );
  const colored = { ...dataset, shape: [2, 2, 3] as const };
  expect(() => checkConversion(configOf({ imageChannels: 1 }), colored)).toThrowWith(
    mismatch('imageChannels (--image-channels) is 1', '2x2x3'),
  );
  checkConversion(configOf({ imageSize: 2, imageChannels: 1 }), dataset);
  const model = { type: 'dit', hidden_size: 16, num_heads: 1, depth: 1, patch_size: 1 } as const;
  const value: PartialConfig = { data, model, imageSize: 16, totalSteps: 1, out: join(folder, 'run') };
  await expect(train(value)).rejects.toThrowWith(mismatch('is 16'));
  await expect(dryRun([{ source: 'test', value }])).rejects.toThrowWith(mismatch('is 16'));
});
