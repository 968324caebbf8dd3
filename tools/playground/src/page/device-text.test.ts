import { expect, it } from 'vitest';
import { deviceText } from './device-text.js';

it.each<[Parameters<typeof deviceText>, string[]]>([
  [
    ['cpu', '1'],
    ['CPU', '1 thread'],
  ],
  [
    ['cpu', '4', undefined],
    ['CPU', '4 threads'],
  ],
  [
    ['webgpu', '1', { cpu: 81.26, webgpu: 12.4 }],
    ['GPU (', 'CPU 81 ms', 'GPU 12 ms'],
  ],
  [
    ['cpu', '2', { failed: 'no shader' }],
    ['CPU, 2 threads', 'GPU failed'],
  ],
])('describes %j', (given, parts) => {
  for (const part of parts) expect(deviceText(...given)).toContain(part);
});
