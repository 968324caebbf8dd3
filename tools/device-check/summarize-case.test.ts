import { expect, it } from 'vitest';
import { fastestOfOurs, summarizeCase } from './summarize-case.mjs';

const timed = (ms: number, check = 1, parameters = 7) => ({
  ms: [ms],
  firstMs: 500,
  check,
  parameters,
  peakMb: 100,
  versions: {},
});
const unet = { name: 'unet', kind: 'training', batch: 16 } as const;
const summaryOf = (contenders: Readonly<Record<string, readonly ReturnType<typeof timed>[]>>) =>
  summarizeCase(unet, new Map(Object.entries(contenders)), { absent: 'not installed' });

const variants = {
  'dm-webgpu-NHWC': [timed(60)],
  'dm-webgpu-NCHW': [timed(50)],
  'dm-webgpu-NCHW-f16': [timed(20, 1.01)],
  'dm-webgpu-NCHW-tf32': [timed(25)],
  'dm-webgpu-NCHW-capture': [timed(30)],
  'pytorch-eager': [timed(100, 1.0009)],
  'pytorch-autocast-bf16': [timed(10, 0.99)],
};

it('takes the faster of our layouts in float32 as ours, not half precision, TF32, or captured graphs', () => {
  const { contenders, relativeThroughput, failed } = summaryOf(variants);
  expect(contenders.map(({ contender }) => contender)).toEqual(Object.keys(variants));
  expect(fastestOfOurs(contenders)).toBe(50);
  expect(relativeThroughput).toEqual({ 'pytorch-eager': 2 });
  expect(failed).toEqual({ absent: 'not installed' });
});

it.each([
  ['pytorch-eager', [timed(1), timed(1, 1.0011)]],
  ['pytorch-eager', [timed(1, NaN), timed(1)]],
  ['pytorch-eager', [timed(1, 1, 8)]],
  ['dm-webgpu-NCHW', [timed(1, 1.0011)]],
  ['dm-webgpu-NCHW-f16', [timed(1, 1.021)]],
])('reports %s as failed if its result is another one: %j', (contender, list) => {
  const { contenders, relativeThroughput, failed } = summaryOf({ ...variants, [contender]: list });
  expect(contenders.map((one) => one.contender)).not.toContain(contender);
  expect(failed[contender]).toContain('dm-webgpu-NHWC');
  expect(fastestOfOurs(contenders)).toBe(contender === 'dm-webgpu-NCHW' ? 60 : 50);
  expect(contender in relativeThroughput).toBe(false);
});
