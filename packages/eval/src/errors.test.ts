import { DmError } from '@dm/ops';
import { expect, it } from 'vitest';
import { consistency } from './consistency/consistency.js';
import { meanSsim } from './consistency/ssim.js';
import { EvalError } from './errors.js';
import { createStatisticsAccumulator, featureStatistics } from './metrics/statistics.js';
import { createArraySource } from './sources/array-source.js';
import { openFolderSource } from './sources/folder-source.js';
import { selectIndices } from './sources/image-source.js';

async function thrownBy(act: () => unknown): Promise<unknown> {
  try {
    await act();
  } catch (error) {
    return error;
  }
  throw new RangeError('nothing was thrown');
}

it.each<[string, string, () => unknown]>([
  ['one image', 'SET_TOO_SMALL', () => selectIndices('set', 1, {})],
  ['no statistics', 'SET_TOO_SMALL', () => createStatisticsAccumulator(2).finish()],
  [
    'a feature that is NaN',
    'NOT_FINITE',
    () => featureStatistics({ values: new Float32Array([0, NaN]), dimension: 1 }),
  ],
  ['half a feature', 'SET_INVALID', () => featureStatistics({ values: new Float32Array(3), dimension: 2 })],
  ['a shape of no images', 'SET_INVALID', () => createArraySource('set', { shape: [4], data: new Uint8Array(4) }, {})],
  ['no folder', 'SET_INVALID', () => openFolderSource('/no/such/folder', {})],
])('%s is an EvalError with the code %s', async (_, code, act) => {
  const error = await thrownBy(act);
  expect(error).toBeInstanceOf(EvalError);
  expect(error).toBeInstanceOf(DmError);
  expect(error).toMatchObject({ name: 'EvalError', code });
});

it.each<[string, () => unknown]>([
  ['more images than there are', () => selectIndices('set', 4, { count: 5 })],
  ['one set', () => consistency([{ name: 'a', samples: new Float32Array(4) }], { shape: [2] })],
  [
    'images of another size',
    () => meanSsim(new Float32Array(3), new Float32Array(4), { shape: [2, 2, 1], dataRange: 2 }),
  ],
])('%s is a RangeError', async (_, act) => {
  expect(await thrownBy(act)).toBeInstanceOf(RangeError);
});
