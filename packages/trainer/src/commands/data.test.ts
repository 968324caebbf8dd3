import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { writeNpy, writeNpz } from '@dm/data';
import { tinyFolder } from '../testing/tiny.js';
import { createProgram } from './program.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

async function inspected(labels: readonly number[]): Promise<string> {
  const images = { shape: [labels.length, 1, 1, 1], data: new Uint8Array(labels.length) };
  const file = join(folder, 'labels.npz');
  await writeNpz(file, { images, labels: { shape: [labels.length], data: Int32Array.from(labels) } });
  const output = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  await createProgram().parseAsync(['data', 'inspect', file], { from: 'user' });
  return output.mock.calls.map(([text]) => String(text)).join('');
}

it('dm data inspect prints one number if all classes have as many images, otherwise a range', async () => {
  expect(await inspected([0, 1, 0, 1])).toContain('2 classes of 2 images');
  expect(await inspected([0, 1, 1])).toContain('2 classes of 1 to 2 images');
});

it.each([
  ['--image-size', '16'],
  ['--image-channels', '3'],
])('dm data refuses %s for images that are not converted', async (option, value) => {
  const file = join(folder, 'kept.npz');
  await writeNpz(file, { images: { shape: [2, 4, 4, 1], data: new Uint8Array(32) } });
  const inspecting = createProgram().parseAsync(['data', 'inspect', file, option, value], { from: 'user' });
  await expect(inspecting).rejects.toThrowWith({
    code: 'DATA_MISMATCH',
    contains: [`${option} ${value}`, '4x4x1', 'Omit'],
  });
});

it.each([1, 2])('dm data takes data that are not square, of %i channels, as they are', async (channels) => {
  const file = join(folder, 'wide.npy');
  await writeNpy(file, { shape: [2, 3, 5, channels], data: new Float32Array(2 * 3 * 5 * channels) });
  const output = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  await createProgram().parseAsync(['data', 'inspect', file, '--float-layout', 'NHWC'], { from: 'user' });
  expect(output.mock.calls.map(([text]) => String(text)).join('')).toContain(`3x5x${channels}`);
});
