import { expect, it } from 'vitest';
import { describeCuda } from './doctor.js';

it('the CUDA provider is reported with both versions, and each missing library with its download', () => {
  const found = { path: '/ort/libonnxruntime.so.1', coreVersion: '1.30.0', providerVersion: '1.29.1' };
  const missing = [
    { name: 'libcudnn.so.9', from: 'cuDNN for CUDA 12', url: 'https://example.com/cudnn' },
    { name: 'libcuda.so.1', from: 'the NVIDIA driver', url: 'https://example.com/driver' },
  ];
  const [versions, ...lines] = describeCuda({ ...found, missing });
  for (const part of ['1.29.1', '1.30.0', found.path]) expect(versions).toContain(part);
  expect(lines).toHaveLength(missing.length);
  for (const [i, { name, from, url }] of missing.entries()) {
    for (const part of [name, from, url]) expect(lines[i]).toContain(part);
  }
  expect(describeCuda({ ...found, providerVersion: null, missing: [] })).toEqual([
    expect.stringContaining('provider of unknown version'),
  ]);
  expect(describeCuda({ none: 'no file' })).toEqual([]);
});
