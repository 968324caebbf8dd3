// The names that a configuration may use are those of the packages that open what they name.
import { datasetForms as formsOfData, imageResizes } from '@dm/data';
import { resizeMethods } from '@dm/eval';
import { devices, type Device } from '@dm/jit';
import { precisions } from '@dm/ops';
import { expect, expectTypeOf, it } from 'vitest';
import { datasetForms, deviceNames, imageResizeNames, precisionNames, resizeMethodNames } from './names.js';

it('devices are those of @dm/jit, forms of data sets those of @dm/data, resize methods those of @dm/eval', () => {
  expectTypeOf<(typeof deviceNames)[number]>().toEqualTypeOf<Device>();
  expectTypeOf<(typeof datasetForms)[number]>().toEqualTypeOf<(typeof formsOfData)[number]>();
  expect(deviceNames).toEqual(devices);
  expect(datasetForms).toEqual(formsOfData);
  expect(resizeMethodNames).toEqual(resizeMethods);
  expect(precisionNames).toEqual(precisions);
  expect(imageResizeNames).toEqual(imageResizes);
});
