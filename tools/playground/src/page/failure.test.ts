import { expect, it } from 'vitest';
import { failureMessage } from './failure.js';

it.each([
  ['no adapter', 'DEVICE_UNUSABLE', 'WebGPU'],
  ['WebAssembly.Memory(): could not allocate memory', undefined, 'not enough memory'],
  ['10 consecutive updates were skipped: the loss is not finite', 'LOSS_NOT_FINITE', 'smaller learning rate'],
  [
    'The device "webgpu" failed in a computation: x. If it was lost (or its memory is full), reload the page.',
    'DEVICE_FAILED',
    'GPU stopped',
  ],
  ['The device "webgpu" cannot hold a tensor of 1 MiB', 'MEMORY_EXHAUSTED', 'not enough memory'],
  ['something else', undefined, 'something else'],
])('explains "%s" with the code %s', (message, code, expected) => {
  expect(failureMessage(message, code)).toContain(expected);
});
