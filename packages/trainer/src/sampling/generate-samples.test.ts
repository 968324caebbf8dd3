import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { UserError } from '../errors.js';
import { resolveCheckpoint } from '../checkpoint/resolve.js';
import { quickConfig, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { generateSamples, samplingConfig } from './generate-samples.js';

let folder: string;
let run: string;
beforeAll(async () => {
  folder = await tinyFolder();
  run = join(folder, 'run');
  await train({ ...quickConfig(folder, 1), engine: 'onnx', threads: 1 });
});
afterAll(() => rmSync(folder, { recursive: true }));

it('another engine or device than that of the run can be chosen', async () => {
  const checkpoint = resolveCheckpoint({ run }, []);
  const chosen = (options: object) => {
    const { engine, device, threads } = samplingConfig(checkpoint, options);
    return { engine, device, threads };
  };
  expect(chosen({})).toEqual({ engine: 'onnx', device: 'cpu', threads: 1 });
  expect(chosen({ device: 'webgpu' })).toEqual({ engine: 'onnx', device: 'webgpu', threads: 1 });
  expect(chosen({ engine: 'tfjs-cpu' })).toEqual({ engine: 'tfjs-cpu', device: 'cpu', threads: null });
  expect(chosen({ engine: 'onnx', device: 'webgpu' })).toEqual({ engine: 'onnx', device: 'webgpu', threads: null });
  expect(() => chosen({ device: 'gpu' })).toThrowWith({
    type: UserError,
    code: 'CONFIG_INVALID',
    contains: ['--device', 'webgpu'],
  });
  await expect(generateSamples({ run, count: 1, engine: 'tfjs-cpu', device: 'webgpu' })).rejects.toThrowWith({
    type: UserError,
    contains: ['tfjs-cpu', '--device'],
  });
});

it.each([{ count: 1.5 }, { count: 0 }, { count: Number.NaN }, { seed: -1 }, { seed: 0.5 }])(
  '%j is refused before any computation',
  async (option) => {
    const [name] = Object.keys(option);
    const onPhase = () => expect.unreachable('nothing may have been computed');
    await expect(generateSamples({ run, ...option, onPhase })).rejects.toThrowWith({
      type: UserError,
      code: 'OPTION_INVALID',
      contains: [`--${name}`, 'integer'],
    });
  },
);
