import { expect, it } from 'vitest';
import { describeCuda } from './doctor.js';

it('the CUDA provider is reported with both versions, and each missing library with its download', () => {
  const found = { path: '/ort/libonnxruntime.so.1', coreVersion: '1.30.0', providerVersion: '1.29.1' };
  const missing = [
    { name: 'libcudnn.so.9', from: 'cuDNN for CUDA 12', url: 'https://example.com/cudnn' },
    { name: 'libcuda.so.1', from: 'the NVIDIA driver', url: 'https://example.com/driver' },
  ];
  expect(describeCuda({ ...found, missing })).toEqual([
    'provider 1.29.1, core library 1.30.0, /ort/libonnxruntime.so.1',
    'missing libcudnn.so.9: install cuDNN for CUDA 12, https://example.com/cudnn',
    'missing libcuda.so.1: install the NVIDIA driver, https://example.com/driver',
  ]);
  expect(describeCuda({ ...found, providerVersion: null, missing: [] })).toEqual([
    expect.stringContaining('provider of unknown version'),
  ]);
  expect(describeCuda({ none: 'no file' })).toEqual(['none (no file)']);
});
